import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type CellOutput, readNotebook } from '../../src/notebook/document.js';
import { installKernel, jupyterPath } from '../../src/notebook/kernelspec.js';
import { packageRoot } from '../../src/notebook/package-root.js';
import { runNotebook } from '../../src/notebook/run-notebook.js';
import { findChromium, startChromium } from '../chromium.js';
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
        'for (let line = 0; line < 200_000; line++) console.log("line " + line);',
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
        '--ExecutePreprocessor.timeout=20',
        '--ExecutePreprocessor.interrupt_on_timeout=True',
        '--allow-errors',
      ]);
      const { cells } = await readNotebook(join(folder, 'executed.ipynb'));
      expect(cells[0].outputs?.at(-1)).toMatchObject({ output_type: 'error', ename: 'Interrupted' });
      expect(cells[1].outputs).toMatchObject([{ data: { 'text/plain': '2' } }]);
    }));

  const browser = findChromium();
  it.skipIf(browser === undefined)('runs in JupyterLab, in a browser', async () =>
    inCheckout(async (folder) => {
      await writeNotebookFile(folder, 'lab.ipynb', [displayed, 'throw new Error("seen in the page");']);
      const server = spawn(
        jupyter,
        [
          'lab',
          '--no-browser',
          '--allow-root',
          '--ip=127.0.0.1',
          '--port=0',
          `--ServerApp.root_dir=${folder}`,
          '--IdentityProvider.token=',
          '--ServerApp.password=',
          '--LabApp.expose_app_in_browser=True',
          '--LabApp.news_url=',
        ],
        {
          env: {
            ...environment,
            JUPYTER_CONFIG_DIR: join(folder, 'config'),
            JUPYTER_RUNTIME_DIR: join(folder, 'runtime'),
            JUPYTERLAB_SETTINGS_DIR: join(folder, 'settings'),
            JUPYTERLAB_WORKSPACES_DIR: join(folder, 'workspaces'),
          },
          stdio: ['ignore', 'ignore', 'pipe'],
        },
      );
      try {
        const address = await new Promise<string>((resolve, reject) => {
          let said = '';
          server.stderr.on('data', (chunk: Buffer) => {
            said += chunk.toString('utf8');
            const found = /http:\/\/127\.0\.0\.1:\d+\//.exec(said);
            if (found) resolve(found[0]);
          });
          server.once('exit', () => reject(new Error(said)));
        });
        const running = await startChromium();
        try {
          const page = await running.newPage({ viewport: { width: 1200, height: 1000 } });
          page.setDefaultTimeout(120_000);
          await page.goto(`${address}lab/tree/lab.ipynb`);
          await page.locator('.jp-Notebook .jp-CodeCell').first().waitFor();
          await page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').waitFor();
          // idle it says, too, while there is no kernel yet: JupyterLab then asks for one when cells are run
          await page.locator('#jp-main-statusbar', { hasText: 'TypeScript (bandalign) | Idle' }).waitFor();
          await page.evaluate(() => {
            const { jupyterapp } = globalThis as unknown as {
              jupyterapp: { commands: { execute: (id: string) => Promise<unknown> } };
            };
            void jupyterapp.commands.execute('notebook:run-all-cells'); // its promise outlasts a failing cell
          });
          await page.locator('.jp-OutputArea-output', { hasText: 'Error: seen in the page' }).waitFor();
          await page.locator('.jp-OutputArea-output td', { hasText: '41.2' }).waitFor();
          await page.locator('.jp-OutputArea-output progress').waitFor();
          await page.locator('.jp-OutputArea-output', { hasText: '{ shown: true }' }).waitFor();
        } finally {
          const folderOfImages = process.env['BANDALIGN_TEST_SCREENSHOTS'];
          if (folderOfImages)
            await running
              .contexts()[0]
              ?.pages()[0]
              ?.screenshot({ path: join(folderOfImages, 'jupyterlab.png') });
          await running.close();
        }
      } finally {
        server.kill('SIGTERM');
        await new Promise((resolve) =>
          server.exitCode === null && server.signalCode === null
            ? server.once('exit', resolve)
            : resolve(null),
        );
      }
    }),
  );

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
