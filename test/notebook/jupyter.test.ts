import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { CellOutput } from '../../src/notebook/document.js';
import { installKernel, jupyterPath } from '../../src/notebook/kernelspec.js';
import { packageRoot } from '../../src/notebook/package-root.js';
import { readNotebook } from '../../src/notebook/read-notebook.js';
import { runNotebook } from '../../src/notebook/run-notebook.js';
import { requireBuild } from './built.js';
import { inFolder, writeNotebookFile } from './notebook-files.js';

// BANDALIGN_TEST_JUPYTER=$(test/services/jupyter.sh install) makes these tests run.
const jupyter = process.env['BANDALIGN_TEST_JUPYTER'] ?? '';
if (jupyter === '')
  console.warn('BANDALIGN_TEST_JUPYTER is not set: the tests with a real Jupyter are left out');
else if (!existsSync(jupyter)) throw new Error(`BANDALIGN_TEST_JUPYTER: ${jupyter} does not exist`);

const run = promisify(execFile);
const environment = {
  ...process.env,
  JUPYTER_PATH: jupyterPath,
  PYDEVD_DISABLE_FILE_VALIDATION: '1',
  NO_COLOR: '1',
};

const nbconvert = (
  notebook: string,
  options: string[] = [],
  env: NodeJS.ProcessEnv = environment,
): Promise<{ stdout: string; stderr: string }> =>
  run(
    jupyter,
    ['nbconvert', '--to', 'notebook', '--execute', notebook, '--output', 'executed.ipynb', ...options],
    { env, maxBuffer: 2 ** 28 },
  );

const displayed = `import { display } from './dist/notebook/display.js';
import { progressBar } from './dist/notebook/progress-bar.js';
const bar = progressBar();
for (let done = 0; done <= 3; done++) bar({ stage: 'training', done, total: 3, unit: 'epochs' });
display([{ band: 'red', rmse: 41.2 }]);
display({ data: [{ type: 'bar', x: ['a'], y: [1] }], layout: { title: { text: 'Counts' } } });
console.log('after');
({ shown: true })`;

/** Notebooks that use this package's display functions lie inside the checkout, as those of users lie in theirs. */
const inCheckout = <T>(use: (folder: string) => Promise<T>): Promise<T> =>
  inFolder(async (folder) => {
    const inside = join(packageRoot, '.services', `test-${folder.split('-').at(-1)}`);
    await mkdir(inside, { recursive: true });
    try {
      return await use(inside);
    } finally {
      await (await import('node:fs/promises')).rm(inside, { recursive: true, force: true });
    }
  });

/** nbconvert leaves each message of a stream an output of its own. */
const joined = (outputs: readonly CellOutput[]): CellOutput[] => {
  const done: CellOutput[] = [];
  for (const output of outputs) {
    const last = done.at(-1);
    if (output.output_type === 'stream' && last?.output_type === 'stream' && last.name === output.name)
      last.text += output.text;
    else done.push({ ...output });
  }
  return done;
};

describe.skipIf(jupyter === '')('a real Jupyter', { timeout: 300_000 }, () => {
  requireBuild();

  it('finds the kernel by `kernel path` and by `kernel install --prefix`', async () =>
    inFolder(async (folder) => {
      const list = async (path: string): Promise<string> =>
        (
          await run(jupyter, ['kernelspec', 'list', '--json'], {
            env: { ...environment, JUPYTER_PATH: path },
          })
        ).stdout;
      expect(JSON.parse(await list(jupyterPath))).toMatchObject({
        kernelspecs: { bandalign: { spec: { display_name: 'TypeScript (bandalign)' } } },
      });
      await installKernel(folder);
      const { kernelspecs } = JSON.parse(await list(join(folder, 'share', 'jupyter')));
      expect(kernelspecs.bandalign.spec.argv).toEqual([
        process.execPath,
        join(packageRoot, 'jupyter', 'launcher.cjs'),
        '{connection_file}',
      ]);
    }));

  it('executes a notebook to the same outputs as our runner', async () =>
    inCheckout(async (folder) => {
      const path = await writeNotebookFile(folder, 'in.ipynb', [
        'for (let line = 0; line < 50_000; line++) console.log("line " + line);',
        displayed,
      ]);
      await nbconvert(path);
      const own = join(folder, 'own.ipynb');
      expect((await runNotebook(path, { out: own })).failure).toBeUndefined();
      const outputs = async (name: string): Promise<unknown> =>
        (await readNotebook(join(folder, name))).cells.map((cell) => joined(cell.outputs ?? []));
      expect(await outputs('executed.ipynb')).toEqual(await outputs('own.ipynb'));
      expect(
        (await readNotebook(join(folder, 'executed.ipynb'))).cells.map(({ execution_count: count }) => count),
      ).toEqual([1, 2]);
    }));

  it.each([
    ['an exception', 'const x = 1;\nthrow new RangeError("no tile");', ['RangeError: no tile', 'line 2']],
    ['a type error', 'const x: string = 5;', ['TypeScriptError', 'TS2322', 'line 1']],
    ['a dying kernel', 'process.exit(3);', ['KernelDied', 'process.exit(3) was called']],
  ])('says what was wrong after %s', async (_, code, words) =>
    inFolder(async (folder) => {
      const path = await writeNotebookFile(folder, 'in.ipynb', [code, '1']);
      const { stderr } = await nbconvert(path).then(
        () => expect.unreachable('nbconvert should have failed'),
        (error: { stderr: string }) => error,
      );
      for (const word of words) expect(stderr).toContain(word);
    }),
  );

  it('runs every cell with --allow-errors, also those right after a failed one', async () =>
    inFolder(async (folder) => {
      await nbconvert(
        await writeNotebookFile(folder, 'in.ipynb', [
          'throw new Error("x");',
          '1 + 1',
          'const y: string = 1;',
          '2 + 2',
        ]),
        ['--allow-errors'],
      );
      const { cells } = await readNotebook(join(folder, 'executed.ipynb'));
      expect(cells.map(({ outputs }) => outputs?.[0]?.output_type)).toEqual([
        'error',
        'execute_result',
        'error',
        'execute_result',
      ]);
    }));

  it('interrupts a loop after an await when nbconvert’s own timeout comes', async () =>
    inFolder(async (folder) => {
      const path = await writeNotebookFile(folder, 'in.ipynb', ['await null; for (;;) {}', '1 + 1']);
      await nbconvert(path, [
        '--ExecutePreprocessor.timeout=10',
        '--ExecutePreprocessor.interrupt_on_timeout=True',
        '--allow-errors',
      ]);
      const { cells } = await readNotebook(join(folder, 'executed.ipynb'));
      expect(cells[0].outputs?.at(-1)).toMatchObject({ output_type: 'error', ename: 'Interrupted' });
      expect(cells[1].outputs).toMatchObject([{ data: { 'text/plain': '2' } }]);
    }));

  const besideJupyter = (name: string): string => join(jupyter, '..', name);

  it.skipIf(!existsSync(besideJupyter('papermill')))('is given parameters by papermill', async () =>
    inFolder(async (folder) => {
      // as `pip install jupyter/papermill` would leave it
      const source = join(jupyterPath, 'papermill');
      const project = await readFile(join(source, 'pyproject.toml'), 'utf8');
      const [, name, target] = /^(bandalign) = "(.+)"$/m.exec(project) ?? [];
      const info = join(folder, 'site', 'bandalign_papermill-0.1.0.dist-info');
      await mkdir(info, { recursive: true });
      await copyFile(join(source, 'bandalign_papermill.py'), join(info, '..', 'bandalign_papermill.py'));
      await writeFile(
        join(info, 'METADATA'),
        'Metadata-Version: 2.1\nName: bandalign-papermill\nVersion: 0.1.0\n',
      );
      await writeFile(join(info, 'entry_points.txt'), `[papermill.engine]\n${name} = ${target}\n`);
      const path = await writeNotebookFile(folder, 'in.ipynb', [
        {
          source: "let x = 0;\nconst band: 'red' | 'nir' = 'red';\nlet list: number[] = [];",
          tags: ['parameters'],
        },
        "[x, band === 'nir', list.length].join(' ')",
      ]);
      const out = join(folder, 'out.ipynb');
      const call = ['-k', 'bandalign', '-p', 'x', '1', '-p', 'band', 'nir', '-y', 'list: [1, 2]'];
      await run(besideJupyter('papermill'), [path, out, ...call], {
        env: { ...environment, PYTHONPATH: join(folder, 'site') },
      });
      const { cells } = await readNotebook(out);
      expect(cells[2].outputs).toMatchObject([{ data: { 'text/plain': '1 true 2' } }]);
    }),
  );

  it.skipIf(!existsSync(besideJupyter('jupytext')))('reads a .ts file as Jupytext does', async () =>
    inFolder(async (folder) => {
      const text = [
        ...[
          '// %% [markdown]',
          '// # Title',
          '//',
          '// text',
          '',
          '// %% tags=["parameters"]',
          'let x = 1;',
          '',
        ],
        ...['// %%', 'const y = x;', '', 'y', ''],
      ].join('\n');
      const path = join(folder, 'in.ts');
      await writeFile(path, text);
      await run(besideJupyter('jupytext'), ['--to', 'ipynb', path, '--output', join(folder, 'in.ipynb')]);
      const cells = async (name: string): Promise<unknown> =>
        (await readNotebook(join(folder, name))).cells.map(({ cell_type: kind, source, metadata }) => [
          kind,
          source,
          metadata['tags'],
        ]);
      expect(await cells('in.ts')).toEqual(await cells('in.ipynb'));
    }),
  );

  it('is asked for input, or says that nobody can be asked', async () =>
    inFolder(async (folder) => {
      const script = `
import sys
from jupyter_client.manager import KernelManager
manager = KernelManager(kernel_name='bandalign')
manager.start_kernel(cwd=sys.argv[1])
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)
def run(code, *answers):
    left, said = list(answers), []
    def ask(message):
        said.append('?' + message['content']['prompt'])
        client.input(left.pop(0))
    def show(message):
        content = message['content']
        said.append(content.get('text') or content.get('data', {}).get('text/plain') or content.get('ename') or '')
    client.execute_interactive(code, allow_stdin=bool(answers), stdin_hook=ask, output_hook=show, timeout=60)
    print('|'.join(one.strip() for one in said if one))
run("prompt('name? ').toUpperCase()", 'ada')
run("prompt('n? ', '5')", '')
run("import { createInterface } from 'node:readline/promises'; const lines = createInterface({ input: process.stdin, output: process.stdout }); await lines.question('who? ')", 'eve')
run("await lines.question('again? ')", 'bob')
run("lines.close(); prompt('x')")
run("await createInterface({ input: process.stdin }).question('y')")
run("6 * 7")
manager.shutdown_kernel(now=True)
`;
      const { stdout } = await run(besideJupyter('python'), ['-c', script, folder], { env: environment });
      const lines = stdout.trim().split('\n');
      expect(lines.slice(0, 2)).toEqual(['?name?|ADA', '?n?|5']);
      expect(lines[2]).toMatch(/who\?.*\?.*eve$/);
      expect(lines[3]).toMatch(/bob$/);
      expect(lines.slice(4)).toEqual(['InputUnavailable', 'InputUnavailable', '42']);
    }));

  it('reads our executed copies as valid notebooks', async () =>
    inFolder(async (folder) => {
      const path = await writeNotebookFile(folder, 'in.ipynb', ['console.log(1);', 'throw new Error("x");']);
      const out = join(folder, 'out.ipynb');
      await runNotebook(path, { out });
      const python = join(jupyter, '..', 'python');
      const check =
        'import sys, nbformat; nb = nbformat.read(sys.argv[1], as_version=4); nbformat.validate(nb); sys.stdout.write(nbformat.writes(nb) + "\\n")';
      const { stdout } = await run(python, ['-c', check, out]);
      expect(stdout).toBe(await readFile(out, 'utf8')); // nbformat itself would write the very same bytes
    }));
});
