import { existsSync } from 'node:fs';
import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join, normalize } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blocksOf, documents, documentText, follow, repository, shell, workplace } from './documents.js';

const pages = await documents();
const executed: string[] = [];
for (const page of pages)
  if (
    page !== 'docs/extending.md' &&
    blocksOf(await documentText(page)).some(({ language }) => language === 'sh')
  )
    executed.push(page);

describe('after `npm run reproduce`, on a demo dataset of twelve tiles', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await workplace();
    const small = ['train.epochs=1', 'model.unet.width=4', 'model.unet.depth=2'];
    for (const command of [
      'npx bandalign dataset synth dataset/demo --tiles 12 --patches 2 --size 48 --quiet',
      `npx bandalign reproduce --no-notebooks --quiet ${small.map((word) => `--set ${word}`).join(' ')}`,
    ]) {
      const { code, output } = await shell(command, folder);
      expect(code, output).toBe(0);
    }
  }, 900_000);
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(executed)('every command of %s works as it is printed', { timeout: 900_000 }, async (page) => {
    expect(await follow(page, folder)).toEqual([]);
  });
});

describe('documents', () => {
  it.each(pages)('the links of %s lead somewhere', async (page) => {
    const text = (await documentText(page)).replaceAll(/```.*?```/gs, '');
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link.replace(/#.*/, ''));
    const local = links.filter((link) => link !== '' && !/^https?:/.test(link));
    const isThere = (link: string): boolean => {
      const path = normalize(join(dirname(page), link));
      return path.startsWith('docs/reference') || existsSync(join(repository, path));
    };
    expect(local.filter((link) => !isThere(link))).toEqual([]);
  });

  it('the table of README is that of results/comparison.csv', async () => {
    const csv = await readFile(join(repository, 'results/comparison.csv'), 'utf8');
    const [head, ...rows] = csv
      .trim()
      .split('\n')
      .map((line) => line.split(','));
    const of = (row: string[], column: string): string => row[head.indexOf(column)];
    const table = (await documentText('README.md')).matchAll(/^\| `([\w-]+)`[^|]*\|(.*)\|$/gm);
    const printed = new Map(
      [...table].map(([, model, cells]) => [model, cells.split('|').map((cell) => cell.trim())]),
    );
    expect([...printed.keys()]).toEqual(['identity', 'linear', 'multi-cubic', 'unet-lut', 'recommended']);
    for (const [model, cells] of printed) {
      const row = rows.find(([name]) => name === model)!;
      const bands = ['blue', 'green', 'red', 'nir'].map(
        (band) => `${Number(of(row, `RMSE ${band}`)).toFixed(1)} ${of(row, `RMSE ${band} spread`)}`,
      );
      expect(cells, model).toEqual([...bands, Number(of(row, 'RMSE NDVI')).toFixed(4)]);
    }
  });

  it('docs/environment.md names every variable that the program reads', async () => {
    const read = new Set<string>();
    const sources = (await readdir(join(repository, 'src'), { recursive: true })).filter((name) =>
      name.endsWith('.ts'),
    );
    for (const source of sources) {
      const text = await readFile(join(repository, 'src', source), 'utf8');
      for (const [, name] of text.matchAll(/\b(?:process\.)?env(?:\[|\.)'?([A-Z][A-Z_]+)'?/g)) read.add(name);
      for (const [, name] of text.matchAll(/\bsetting\('([A-Z_]+)'/g)) read.add(name);
    }
    const named = [...(await documentText('docs/environment.md')).matchAll(/^\| `([A-Z_]+)`/gm)].map(
      ([, name]) => name,
    );
    expect([...read].filter((name) => !named.includes(name))).toEqual([]);
  });
});
