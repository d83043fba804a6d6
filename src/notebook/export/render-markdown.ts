import { tex } from '@mdit/plugin-tex';
import katex from 'katex';
import MarkdownIt from 'markdown-it';
import { displayMath } from './display-math.js';
import { highlight } from './highlight.js';
import { type Addresses, sanitise } from './sanitise.js';

/** A heading of the page, for its contents. */
export interface Heading {
  level: number;
  text: string;
  id: string;
}

export interface RenderedMarkdown {
  html: string;
  headings: Heading[];
}

/** A name for a heading in an address. */
const slug = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '-')
    .replace(/^-|-$/g, '') || 'section';

/**
 * A renderer for the Markdown cells of one notebook: CommonMark with tables, raw HTML without its dangers, `$…$` and
 * `$$…$$` as MathML (drawn by every browser, no fonts), code in colour, headings with addresses.
 * `addresses` are asked for its images and links, in Markdown as in HTML.
 */
export const markdownRenderer = (addresses: Addresses): ((text: string) => RenderedMarkdown) => {
  const formulas: string[] = [];
  const taken = new Map<string, number>();
  let headings: Heading[] = [];
  const md = new MarkdownIt({
    html: true,
    linkify: false,
    typographer: false,
    highlight: (code, language) => highlight(code, language.trim().split(/\s/)[0]),
  });
  md.validateLink = () => true; // the sanitiser judges addresses, of HTML too
  md.use(tex, {
    render: (content: string, displayMode: boolean) => {
      // sanitising knows no MathML: formulas are put back after it; warnings would pass the formula on to the terminal
      formulas.push(
        katex.renderToString(content, {
          displayMode,
          ...{ output: 'mathml', throwOnError: false, strict: 'ignore' },
        }),
      );
      const tag = displayMode ? 'div' : 'span';
      return `<${tag} data-math="${formulas.length - 1}"></${tag}>`;
    },
  });
  md.use(displayMath);
  md.core.ruler.push('headings', ({ tokens }) => {
    tokens.forEach((token, index) => {
      if (token.type !== 'heading_open') return;
      const text = (tokens[index + 1].children ?? []).map(({ content }) => content).join('');
      const base = slug(text);
      const count = (taken.get(base) ?? 0) + 1;
      taken.set(base, count);
      const id = count === 1 ? base : `${base}-${count}`;
      token.attrSet('id', id);
      headings.push({ level: Number(token.tag.slice(1)), text, id });
    });
  });
  return (text) => {
    headings = [];
    const html = sanitise(md.render(text), addresses).replace(
      /<(span|div) data-math="(\d+)"><\/\1>/g,
      (_, tag: string, index: string) => `<${tag} class="math">${formulas[Number(index)] ?? ''}</${tag}>`,
    );
    return { html, headings };
  };
};
