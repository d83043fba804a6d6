import { getEventListeners } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readNotebook } from '../../src/notebook/read-notebook.js';
import { runNotebook } from '../../src/notebook/run-notebook.js';
import type { Progress } from '../../src/progress.js';
import { requireBuild } from './built.js';
import { type CellSketch, inFolder, writeNotebookFile } from './notebook-files.js';

requireBuild();

const parameters: CellSketch = {
  source: "let epochs = 3;\nlet band: 'red' | 'nir' = 'red';\nconst tag = 'x';",
  tags: ['parameters'],
};

describe('runNotebook', () => {
  it('executes cells, keeps the copy after each, reports progress, and gives the same bytes again', async () =>
    inFolder(async (folder) => {
      const path = await writeNotebookFile(folder, 'in.ipynb', [
        { source: '# Title', markdown: true },
        parameters,
        'console.log(epochs, band, tag);\n({ epochs })',
        { source: 'throw new Error("expected");', tags: ['raises-exception'] },
        { source: 'process.exit(1);', tags: ['skip-execution'] },
        'import { readFileSync } from "node:fs";\nJSON.parse(readFileSync("out.ipynb", "utf8")).cells[3].outputs.length',
      ]);
      const out = join(folder, 'out.ipynb');
      const seen: Progress[] = [];
      const options = {
        out,
        parameters: new Map([
          ['epochs', '5'],
          ['band', 'nir'],
        ]),
      };
      const result = await runNotebook(path, { ...options, onProgress: (progress) => seen.push(progress) });
      expect(result).toMatchObject({ cells: 5, failure: undefined });
      expect(seen.map(({ done, total }) => [done, total])).toEqual(
        [0, 1, 2, 3, 4, 5].map((done) => [done, 5]),
      );
      const { cells, metadata } = await readNotebook(out);
      expect(cells.map(({ execution_count: count }) => count)).toEqual([undefined, 1, 2, 3, 4, null, 5]);
      expect(cells[2]).toMatchObject({
        source: '// Parameters\nepochs = 5;\nband = "nir";',
        metadata: { tags: ['injected-parameters'] },
      });
      expect(cells[3].outputs).toEqual([
        { output_type: 'stream', name: 'stdout', text: '5 nir x\n' },
        {
          output_type: 'execute_result',
          data: { 'text/plain': '{ epochs: 5 }' },
          metadata: {},
          execution_count: 3,
        },
      ]);
      expect(cells[4].outputs?.[0]).toMatchObject({
        output_type: 'error',
        ename: 'Error',
        evalue: 'expected',
      });
      expect(cells[6].outputs?.[0]).toMatchObject({ data: { 'text/plain': '2' } });
      expect(metadata).toMatchObject({
        kernelspec: { name: 'bandalign' },
        language_info: { name: 'typescript' },
      });
      const first = await readFile(out, 'utf8');
      expect(first).not.toContain(folder);
      await runNotebook(out, { ...options, out });
      expect(await readFile(out, 'utf8')).toBe(first);
    }));

  it('imports files by their place beside the notebook and from the root, with or without an extension', async () =>
    inFolder(async (folder) => {
      for (const name of ['notebooks', 'src']) await mkdir(join(folder, name));
      await writeFile(join(folder, 'package.json'), '{}');
      await writeFile(join(folder, 'src', 'gain.ts'), 'export const gain: number = 2;\n');
      await writeFile(
        join(folder, 'notebooks', 'near.ts'),
        'export const near = (x: string): string => "<" + x + ">";\n',
      );
      const path = await writeNotebookFile(join(folder, 'notebooks'), 'in.ipynb', [
        'import { gain } from "../src/gain";\ngain;',
        'import { gain as again } from "../src/gain.ts";\nagain;',
        'import { gain as third } from "./src/gain.js";\nthird;',
        "import { near } from './near';\nnear('a');",
        'const { near: later } = await import("./near.ts");\nlater("b");',
        "import { near as wrong } from './near';\nwrong(1);",
      ]);
      const out = join(folder, 'out.ipynb');
      const { cells, failure } = await runNotebook(path, { out });
      expect(cells).toBe(5);
      expect(failure).toMatchObject({ cell: 6, line: 2, evalue: expect.stringContaining("type 'number'") });
      const shown = (await readNotebook(out)).cells.slice(0, 5).map((cell) => cell.outputs?.[0]);
      expect(shown).toMatchObject(
        ['2', '2', '2', '<a>', '<b>'].map((text) => ({ data: { 'text/plain': text } })),
      );
    }));

  it('says which cell failed, on which line and why, and leaves the rest unrun', async () =>
    inFolder(async (folder) => {
      const path = await writeNotebookFile(folder, 'in.ipynb', [
        { source: 'text', markdown: true },
        'const fail = (): never => { throw new RangeError("no tile"); };',
        'console.log("before");\n\nfail();',
        'console.log("never");',
      ]);
      const out = join(folder, 'out.ipynb');
      const { failure, cells } = await runNotebook(path, { out });
      expect(failure).toEqual({
        cell: 3,
        executionCount: 2,
        line: 3,
        ename: 'RangeError',
        evalue: 'no tile',
      });
      expect(cells).toBe(1);
      const executed = await readNotebook(out);
      expect(executed.cells[2].outputs).toMatchObject([
        { output_type: 'stream', text: 'before\n' },
        { output_type: 'error', ename: 'RangeError' },
      ]);
      expect(executed.cells[3]).toMatchObject({ outputs: [], execution_count: null });
    }));

  it.each([
    ['a type error', 'const ok = 1;\nconst band: string = 5;', { ename: 'TypeScriptError', line: 2 }],
    [
      'a rejected promise',
      'await Promise.reject(new Error("no"));',
      { ename: 'Error', evalue: 'no', line: 1 },
    ],
    [
      'a rejection nobody handles',
      'void Promise.reject(new Error("stray"));',
      { ename: 'Error', evalue: 'stray' },
    ],
    [
      'process.exit',
      'process.exit(0);',
      { ename: 'KernelDied', evalue: expect.stringContaining('process.exit(0)') },
    ],
  ])('ends with %s as a failure that is also in the notebook', async (_, code, expected) =>
    inFolder(async (folder) => {
      const out = join(folder, 'out.ipynb');
      const { failure } = await runNotebook(await writeNotebookFile(folder, 'in.ipynb', [code, '1']), {
        out,
      });
      expect(failure).toMatchObject({ cell: 1, ...expected });
      const [cell] = (await readNotebook(out)).cells;
      expect(cell.outputs?.at(-1)).toMatchObject({
        output_type: 'error',
        ename: failure?.ename,
        evalue: failure?.evalue,
      });
    }),
  );

  it(
    'ends cells and notebooks that take too long, even in loops that never yield',
    async () =>
      inFolder(async (folder) => {
        const loop = await writeNotebookFile(folder, 'loop.ipynb', [
          'await null; console.log("x"); for (;;) {}',
        ]);
        const out = join(folder, 'out.ipynb');
        const { failure } = await runNotebook(loop, { out, cellTimeout: 4 });
        expect(failure).toMatchObject({
          cell: 1,
          ename: 'Timeout',
          evalue: 'the cell took longer than 4 s',
        });
        const outputs = (await readNotebook(out)).cells[0].outputs;
        expect(outputs?.map(({ output_type: type }) => type)).toEqual(['stream', 'error']);
        expect(outputs?.at(-1)).toMatchObject({ ename: 'Timeout' });
        const two = await writeNotebookFile(folder, 'two.ipynb', ['1', 'await new Promise(() => {});']);
        expect((await runNotebook(two, { timeout: 15 })).failure).toMatchObject({
          ename: 'Timeout',
          evalue: 'the notebook took longer than 15 s',
        });
      }),
    90_000,
  );

  it('notices errors that come after their cell has ended', async () =>
    inFolder(async (folder) => {
      const path = await writeNotebookFile(folder, 'in.ipynb', [
        'setTimeout(() => { throw new Error("late"); }, 50); 0',
        'const until = Date.now() + 10;\nwhile (Date.now() < until);',
        'await new Promise((resolve) => setTimeout(resolve, 300));',
        '3',
      ]);
      const { failure } = await runNotebook(path);
      expect(failure).toMatchObject({ ename: 'Error', evalue: 'late' });
    }));

  it('stops when told to, and keeps what was done', async () =>
    inFolder(async (folder) => {
      const controller = new AbortController();
      const path = await writeNotebookFile(folder, 'in.ipynb', [
        'console.log("done");',
        'await new Promise(() => {});',
      ]);
      const out = join(folder, 'out.ipynb');
      const { failure } = await runNotebook(path, {
        out,
        signal: controller.signal,
        onProgress: ({ done }) => void (done === 1 && setTimeout(() => controller.abort(), 200)),
      });
      expect(failure).toMatchObject({ cell: 2, ename: 'Stopped' });
      expect((await readNotebook(out)).cells[0].outputs).toMatchObject([{ text: 'done\n' }]);
    }));

  it('leaves nothing behind on the signal it was given', async () =>
    inFolder(async (folder) => {
      const { signal } = new AbortController();
      const path = await writeNotebookFile(folder, 'in.ipynb', ['1', '2', '3']);
      expect((await runNotebook(path, { signal })).cells).toBe(3);
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    }));

  it('names the parameter whose value only the compiler can judge', async () =>
    inFolder(async (folder) => {
      const path = await writeNotebookFile(folder, 'in.ipynb', [parameters, 'band']);
      const { failure } = await runNotebook(path, { parameters: new Map([['band', 'blue']]) });
      expect(failure).toMatchObject({ cell: 2, line: 2, parameter: 'band', ename: 'TypeScriptError' });
    }));

  it('refuses notebooks of other languages and files that are none', async () =>
    inFolder(async (folder) => {
      const path = join(folder, 'x.ipynb');
      await writeFile(
        path,
        JSON.stringify({ nbformat: 4, metadata: { kernelspec: { language: 'python' } }, cells: [] }),
      );
      await expect(runNotebook(path)).rejects.toThrow(/its language is python/);
      await writeFile(path, '{');
      await expect(runNotebook(path)).rejects.toThrow(/not JSON/);
      await writeFile(path, JSON.stringify({ nbformat: 3, worksheets: [] }));
      await expect(runNotebook(path)).rejects.toThrow(/nbformat 3/);
      await expect(runNotebook(join(folder, 'none.ipynb'))).rejects.toThrow(/none\.ipynb/);
    }));
});
