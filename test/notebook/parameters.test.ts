import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { injectParameters, listParameters, parseAssignments } from '../../src/notebook/parameters.js';
import { parseNotebook } from '../../src/notebook/parse-notebook.js';
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

  it('refuses numbers that a double cannot hold, wherever they stand', () => {
    for (const [word, lost] of [
      ['epochs=9007199254740993', '9007199254740993'],
      ['epochs=1e400', '1e400'],
      ['epochs=1e-400', '1e-400'],
      ['seeds=[1,12345678901234567890]', '12345678901234567890'],
      ['limit=9007199254740993', '9007199254740993'],
    ])
      expect(() => inject(word)).toThrow(`${lost}; a number cannot hold it exactly`);
    for (const [word, written] of [
      ['epochs=9007199254740992', '9007199254740992'],
      ['epochs=1e21', '1e+21'],
      ['epochs=0.1', '0.1'],
      ['epochs=3.141592653589793', '3.141592653589793'],
      ['epochs=0x10', '16'],
      ['seeds=[0.30000000000000004,1e3]', '[0.30000000000000004,1000]'],
      ['count=12345678901234567890', '12345678901234567890n'],
      ['tag=9007199254740993', '"9007199254740993"'],
    ])
      expect(inject(word)).toContain(`= ${written};`);
  });

  it('land behind the cell whose variables they set, whatever else is tagged', () => {
    const twoTags = parseNotebook(
      notebookJson([
        { source: '## Parameters', markdown: true, tags: ['parameters'] },
        { source: 'const x: number = 1;', tags: ['parameters'] },
        'x',
      ]),
      'n.ipynb',
    );
    const { cells } = injectParameters(twoTags, parseAssignments(['x=42']), 'n.ipynb');
    expect(cells.map(({ source }) => source.split('\n').at(-1))).toEqual([
      '## Parameters',
      'const x: number = 1;',
      'const x: number = 42;',
      'x',
    ]);
  });

  it('can be listed, with types, values and what their comments say', () => {
    const listed = listParameters(
      parseNotebook(
        notebookJson([
          {
            source:
              '// passes over the data\nlet epochs = 3;\nconst band: Band = pick(); // of the sensor\nlet free;',
            tags: ['parameters'],
          },
        ]),
        'n.ipynb',
      ),
    );
    expect(listed).toEqual([
      { name: 'epochs', constant: false, type: 'number', initial: '3', help: 'passes over the data' },
      { name: 'band', constant: true, type: 'Band', initial: 'pick()', help: 'of the sensor' },
      { name: 'free', constant: false, type: undefined, initial: undefined, help: undefined },
    ]);
  });
});
