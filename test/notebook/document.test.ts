import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CellOutput, type Notebook, notebookText } from '../../src/notebook/document.js';
import { collectOutputs } from '../../src/notebook/output-collector.js';
import { parseNotebook } from '../../src/notebook/parse-notebook.js';

const text = fc
  .array(fc.constantFrom('a', 'é', '\n', ' ', '{'), { maxLength: 12 })
  .map((letters) => letters.join(''));
const output: fc.Arbitrary<CellOutput> = fc.oneof(
  fc.record({
    output_type: fc.constant('stream' as const),
    name: fc.constantFrom('stdout' as const, 'stderr' as const),
    text,
  }),
  fc.record({
    output_type: fc.constant('display_data' as const),
    data: fc.record({
      'text/plain': text,
      'image/png': fc.base64String(),
      'application/vnd.plotly.v1+json': fc.constant({ data: [{ x: [1, 2] }], layout: {} }),
    }),
    metadata: fc.constant({}),
  }),
  fc.record({
    output_type: fc.constant('error' as const),
    ename: text,
    evalue: text,
    traceback: fc.array(text, { maxLength: 3 }),
  }),
);
const notebook: fc.Arbitrary<Notebook> = fc
  .array(fc.record({ source: text, outputs: fc.array(output, { maxLength: 3 }) }), { maxLength: 4 })
  .map((cells) => ({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: cells.map((cell, index) => ({
      cell_type: 'code' as const,
      id: `c${index}`,
      metadata: {},
      execution_count: index,
      ...cell,
    })),
  }));

describe('notebook files', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(notebook, (one) => {
        expect(parseNotebook(notebookText(one), 'n')).toEqual(one);
      }),
    );
  });

  it('are laid out as nbformat does: one space, sorted keys, texts by line, images whole', () => {
    const written = notebookText({
      nbformat: 4,
      nbformat_minor: 5,
      metadata: { b: 1, a: 2 },
      cells: [{ cell_type: 'markdown', id: 'x', metadata: {}, source: 'one\ntwo' }],
    });
    expect(written).toBe(
      '{\n "cells": [\n  {\n   "cell_type": "markdown",\n   "id": "x",\n   "metadata": {},\n   "source": [\n    "one\\n",\n    "two"\n   ]\n  }\n ],\n "metadata": {\n  "a": 2,\n  "b": 1\n },\n "nbformat": 4,\n "nbformat_minor": 5\n}\n',
    );
  });

  it('get stable ids for cells that have none', () => {
    const old = JSON.stringify({
      nbformat: 4,
      nbformat_minor: 2,
      metadata: {},
      cells: [
        { cell_type: 'code', source: ['a'] },
        { cell_type: 'code', source: 'a' },
      ],
    });
    const [one, two] = parseNotebook(old, 'n').cells;
    expect(one.id).not.toBe(two.id);
    expect(parseNotebook(old, 'n').cells.map(({ id }) => id)).toEqual([one.id, two.id]);
  });
});

it('a file with two lists of cells is refused: a reader cannot know which is meant', () => {
  const text = '{"nbformat": 4, "metadata": {}, "cells": [], "cells": []}';
  expect(() => parseNotebook(text, 'n.ipynb')).toThrow(
    'notebook: n.ipynb: it has 2 lists of cells; keep one of them',
  );
});

describe('collected outputs', () => {
  const collect = (...messages: [string, object][]): CellOutput[] => {
    const outputs: CellOutput[] = [];
    const receive = collectOutputs().receive(outputs);
    for (const [type, content] of messages) receive({ type, content: content as Record<string, unknown> });
    return outputs;
  };
  const print = (printed: string): [string, object] => ['stream', { name: 'stdout', text: printed }];

  it('join streams and obey carriage returns wherever they are cut', () => {
    expect(collect(print('a'), print('b\n'), print('10 %\r'), print('20'), print(' %\r30 %\n'))).toEqual([
      { output_type: 'stream', name: 'stdout', text: 'ab\n30 %\n' },
    ]);
    expect(collect(print('windows\r'), print('\nline'))).toMatchObject([{ text: 'windows\r\nline' }]);
  });

  it('come to the same however they are cut', () => {
    const printed = 'a\r\nb\rc\r\r\nd\r\re\n\r\rf\ng\r';
    const whole = collect(print(printed));
    expect(whole).toMatchObject([{ text: 'a\r\nc\r\r\ne\nf\ng\r' }]);
    for (let first = 1; first < printed.length; first++)
      for (let second = first + 1; second < printed.length; second++)
        expect(
          collect(
            print(printed.slice(0, first)),
            print(printed.slice(first, second)),
            print(printed.slice(second)),
          ),
        ).toEqual(whole);
  });

  it('take one line of 32 MiB in the time of its length', () => {
    const part = 'x'.repeat(65_536);
    const begun = performance.now();
    const [line] = collect(...Array.from({ length: 512 }, () => print(part)), print('\n'));
    expect(line.output_type === 'stream' && line.text.length).toBe(32 * 2 ** 20 + 1);
    expect(performance.now() - begun).toBeLessThan(5000);
  });

  it('are written as they were printed: long texts, empty ones, halves of characters', () => {
    for (const printed of ['', '\n', 'no end', 'é\n\ud83d\n', `${'ä 10 %\n'.repeat(30_000)}\ud83d`]) {
      const outputs = collect(print(printed.slice(0, 70_000)), print(printed.slice(70_000)));
      const [text, whole] = [
        outputs,
        [{ output_type: 'stream' as const, name: 'stdout' as const, text: printed }],
      ].map((made) =>
        notebookText({
          cells: [
            { cell_type: 'code', id: 'a', metadata: {}, source: '', outputs: made, execution_count: 1 },
          ],
          metadata: {},
          nbformat: 4,
          nbformat_minor: 5,
        }),
      );
      expect(text).toBe(whole);
      expect(parseNotebook(text, 'n').cells[0].outputs).toMatchObject([{ text: printed }]);
      expect(JSON.stringify(JSON.parse(text), null, 1)).toBe(text.trimEnd());
    }
  });

  it('clear at once, or with the next output', () => {
    expect(collect(print('a'), ['clear_output', { wait: false }])).toEqual([]);
    expect(collect(print('a'), ['clear_output', { wait: true }])).toHaveLength(1);
    expect(collect(print('a'), ['clear_output', { wait: true }], print('b'))).toMatchObject([{ text: 'b' }]);
  });

  it('update a display in whatever cell it was shown', () => {
    const collector = collectOutputs();
    const [first, second]: CellOutput[][] = [[], []];
    const shown = { data: { 'text/plain': '1' }, metadata: {}, transient: { display_id: 'd' } };
    collector.receive(first)({ type: 'display_data', content: shown });
    collector.receive(second)({
      type: 'update_display_data',
      content: { ...shown, data: { 'text/plain': '2' } },
    });
    expect(first).toMatchObject([{ data: { 'text/plain': '2' } }]);
    expect(second).toEqual([]);
  });
});
