import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseNotebook } from '../../src/notebook/document.js';
import { injectParameters, parseAssignments } from '../../src/notebook/parameters.js';
import { notebookJson } from './notebook-files.js';

const notebook = parseNotebook(
  notebookJson([
    { source: '# Title', markdown: true },
    {
      source: [
        'let epochs = 3;',
        'let rate = -1e-3;',
        "let tag = 'x';",
        'let dry = false;',
        'let seeds = [1, 2];',
        "let band: 'red' | 'nir' = 'red';",
        'const bins = 256;',
        'const total = 60 * 60;',
        "let year: '2023' | '2024' = '2024';",
        'const limit: number | undefined = undefined;',
        "let note: string | null = 'x';",
        'let größe = 2;',
        'let count = 10n;',
      ].join('\n'),
      tags: ['parameters'],
    },
    'epochs',
  ]),
  'n.ipynb',
);
const inject = (...words: string[]): string =>
  injectParameters(notebook, parseAssignments(words), 'n.ipynb').cells[2].source;

describe('parameters', () => {
  it('reads each value as the type of its variable', () => {
    expect(
      inject('epochs=1e2', 'rate=0.5', 'tag=7', 'dry=TRUE', 'seeds=[3,4]', 'band=nir', 'bins=128').split(
        '\n',
      ),
    ).toEqual([
      '// Parameters',
      'epochs = 100;',
      'rate = 0.5;',
      'tag = "7";',
      'dry = true;',
      'seeds = [3,4];',
      'band = "nir";',
      'const bins: number = 128;',
    ]);
  });

  it('reads unions of simple types, whole numbers of any size and names in any letters', () => {
    const words = ['year=2023', 'limit=3', 'note=2024', 'größe=4', 'count=-12'];
    expect(inject(...words).split('\n')).toEqual([
      '// Parameters',
      'year = "2023";',
      'const limit: number | undefined = 3;',
      'note = "2024";',
      'größe = 4;',
      'count = -12n;',
    ]);
    expect(inject('limit=undefined', 'note=null')).toContain(
      'const limit: number | undefined = undefined;\nnote = null;',
    );
    expect(() => inject('count=1.5')).toThrow('parameter count: 1.5; give a whole number');
  });

  it('refuses all that is wrong at once, each by name', () => {
    expect(() => inject('epochs=many', 'dry=perhaps', 'seeds=[1,"a"]', 'epohcs=3', 'total=1')).toThrow(
      expect.objectContaining({
        exitCode: 2,
        faults: [
          'parameter epochs: many; give a number',
          'parameter dry: perhaps; give a boolean',
          'parameter seeds: [1,"a"]; give a number[] as JSON',
          expect.stringContaining('parameter epohcs: unknown to n.ipynb; it has epochs, rate'),
          expect.stringContaining('parameter total: its type is not to be seen'),
        ],
      }),
    );
  });

  it('takes the place of what an earlier run injected', () => {
    const once = injectParameters(notebook, parseAssignments(['epochs=1']), 'n');
    const twice = injectParameters(once, parseAssignments(['epochs=2']), 'n');
    expect(twice.cells).toHaveLength(notebook.cells.length + 1);
    expect(twice.cells[2].source).toBe('// Parameters\nepochs = 2;');
  });

  it('leaves a notebook alone without values, and refuses values without a parameters cell', () => {
    expect(injectParameters(notebook, new Map(), 'n')).toBe(notebook);
    const none = parseNotebook(notebookJson(['1']), 'n.ipynb');
    expect(() => injectParameters(none, parseAssignments(['a=1']), 'n.ipynb')).toThrow(
      /no cell tagged parameters/,
    );
    expect(() => parseAssignments(['a', '1b=2'])).toThrow(/parameter: a; write name=value\nparameter: 1b=2/);
  });

  it('writes any text as a literal that reads back the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        const literal = /^tag = (.*);$/s.exec(inject(`tag=${text}`).split('\n').slice(1).join('\n'))?.[1];
        expect(JSON.parse(literal ?? 'null')).toBe(text);
      }),
    );
  });
});
