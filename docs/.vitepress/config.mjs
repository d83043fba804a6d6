import { existsSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';

const docs = dirname(dirname(fileURLToPath(import.meta.url)));

/** Pages of the site; whatever else a page links to in the repository is named and not linked. */
const pages = [
  /^(README|CONTRIBUTING|CHANGELOG|SECURITY)\.md$/,
  /^docs\//,
  /^results\//,
  /^(dataset|bench)\/README\.md$/,
];

/** The path in the repository that a link leads to; null for one that leads out of it or to a page. */
const notOnSite = (href, page) => {
  if (/^(https?:|mailto:|#)/.test(href)) return null;
  const path = normalize(join(dirname(page), href.replace(/[#?].*/, '')));
  return pages.some((pattern) => pattern.test(path)) && path.endsWith('.md') ? null : path;
};

/** Takes links away that lead to files which are no pages, such as a folder of notebooks. */
const plainNames = (md) => {
  md.core.ruler.push('plain-names', ({ tokens, env }) => {
    for (const { children } of tokens) {
      let isPlain = false;
      for (const token of children ?? []) {
        if (token.type === 'link_open') {
          const path = notOnSite(token.attrGet('href'), relative(join(docs, '.pages'), env.path));
          isPlain = path !== null;
          if (isPlain && !existsSync(join(docs, '..', path)))
            throw new Error(`${env.path}: dead link to ${path}`);
        }
        if (!isPlain || !/^link_/.test(token.type)) continue;
        if (token.type === 'link_close') isPlain = false;
        token.tag = 'span';
        token.type = token.type === 'link_open' ? 'em_open' : 'em_close';
        token.attrs = null;
      }
    }
  });
};

const howTo = [
  ['Your own data', 'how-to/own-data'],
  ['Your own sensors and bands', 'how-to/own-sensor'],
  ['Your own model, metric, network', 'extending'],
  ['A sweep, also on a cluster', 'how-to/sweep'],
  ['A graphics card', 'how-to/gpu'],
  ['Whole scenes', 'how-to/scenes'],
  ['Notebooks', 'how-to/notebooks'],
  ['Tracking', 'how-to/tracking'],
];
const items = (entries) => entries.map(([text, page]) => ({ text, link: `/docs/${page}` }));

export default defineConfig({
  title: 'bandalign',
  description: 'Bandpass alignment from Sentinel-2 to Gaofen-1',
  // copies that build.mjs lays out as the repository is: links hold on the site and where the repository is read
  srcDir: '.pages',
  rewrites: {
    'README.md': 'index.md',
    'dataset/README.md': 'dataset/index.md',
    'bench/README.md': 'bench/index.md',
  },
  markdown: {
    config: plainNames,
    languageAlias: { console: 'shellsession' },
  },
  themeConfig: {
    search: { provider: 'local' },
    outline: { level: [2, 3] },
    nav: [
      { text: 'Documentation', link: '/docs/' },
      { text: 'Reference', link: '/docs/reference/commands' },
      { text: 'Results', link: '/results/comparison' },
    ],
    sidebar: [
      {
        text: 'bandalign',
        items: [
          { text: 'Start', link: '/' },
          ...items([
            ['Concepts', 'concepts'],
            ['Gallery', 'gallery'],
          ]),
        ],
      },
      { text: 'How to', items: items(howTo) },
      {
        text: 'What to expect',
        items: items([
          ['Model card', 'model-card'],
          ['Data sheet', 'data-sheet'],
          ['Assumptions of the demo data', 'demo-data'],
        ]),
      },
      {
        text: 'Look up',
        items: items([
          ...[
            ['Commands', 'reference/commands'],
            ['Settings', 'reference/settings'],
            ['Functions', 'reference/api/'],
          ],
          ...[
            ['Formats', 'formats'],
            ['Environment variables', 'environment'],
            ['Architecture', 'architecture'],
            ['Questions', 'faq'],
          ],
        ]),
      },
    ],
  },
});
