import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/notebook/package-root.js';
import { until } from '../tracking/stores.js';
import { requireBuild } from './built.js';
import { inFolder, notebookJson, writeNotebookFile } from './notebook-files.js';

requireBuild();

/** Processes that a process started, and those that they started. */
const descendants = async (pid: number): Promise<number[]> => {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  const children = text.trim().split(' ').filter(Boolean).map(Number);
  return [...children, ...(await Promise.all(children.map(descendants))).flat()];
};

const isRunning = (pid: number): boolean => {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^[ZX]/.test(status.slice(status.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
};

interface Called {
  stdout: string;
  stderr: string;
  code: number;
}

const bandalign = async (args: string[], cwd = packageRoot, env: NodeJS.ProcessEnv = {}): Promise<Called> => {
  const main = join(packageRoot, 'dist', 'cli', 'main.js');
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, ...args], {
      cwd,
      env: { ...process.env, ...env },
    });
    return { stdout, stderr, code: 0 };
  } catch (error) {
    return error as Called;
  }
};

describe('notebook run', () => {
  it('runs several at once into a folder, names each failure, and exits with 1', async () =>
    inFolder(async (folder) => {
      await writeNotebookFile(folder, 'good.ipynb', ['1 + 1']);
      await writeNotebookFile(folder, 'bad.ipynb', ['const x = 1;', '\nthrow new TypeError("no band");']);
      const { stdout, stderr, code } = await bandalign(
        ['notebook', 'run', 'good.ipynb', 'bad.ipynb', '--jobs', '2', '--out', 'done', '--quiet'],
        folder,
      );
      expect(code).toBe(1);
      expect(stderr).toBe(
        'bandalign: bad.ipynb: cell 2 [2], line 2: TypeError: no band; see done/bad.ipynb\n',
      );
      expect(stdout).toMatch(
        /^good\.ipynb: \d+\.\d s, 1 cells, done\/good\.ipynb\n2 notebooks in \d+\.\d s\n$/,
      );
      expect(await readdir(join(folder, 'done'))).toEqual(['bad.ipynb', 'good.ipynb']);
    }));

  it('finds out that the copy cannot be written before it starts a kernel', async () =>
    inFolder(async (folder) => {
      await writeNotebookFile(folder, 'in.ipynb', ['1']);
      const { stderr, code } = await bandalign(
        ['notebook', 'run', 'in.ipynb', '--out', 'in.ipynb/out.ipynb', '--quiet'],
        folder,
      );
      expect(code).toBe(2);
      expect(stderr).toMatch(
        /^bandalign: notebook: in\.ipynb\/out\.ipynb: E\w+: .*; name a place that can be written\n$/,
      );
    }));

  it('prints one JSON document, writes nothing to /dev/null, and takes parameters', async () =>
    inFolder(async (folder) => {
      await writeNotebookFile(folder, 'in.ipynb', [
        { source: 'let epochs = 1;', tags: ['parameters'] },
        'if (epochs !== 4) throw new Error(String(epochs));',
      ]);
      const { stdout, code } = await bandalign(
        ['notebook', 'run', 'in.ipynb', '-p', 'epochs=4', '--out', '/dev/null', '--json', '--quiet'],
        folder,
      );
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({
        notebooks: [{ notebook: 'in.ipynb', out: '/dev/null', cells: 3 }],
      });
      expect(await readdir(folder)).toEqual(['in.ipynb']);
    }));

  it('keeps the outputs beside the notebook, also of text, and does not run them again', async () =>
    inFolder(async (folder) => {
      await writeNotebookFile(folder, 'in.ipynb', ['1 + 1']);
      await writeFile(
        join(folder, 'plain.ts'),
        '// %% tags=["parameters"]\nlet n = 1; // a count\n// %%\nn + 1\n',
      );
      const all = ['notebook', 'run', 'in.ipynb', 'in.executed.ipynb', 'plain.ts'];
      await writeFile(join(folder, 'in.executed.ipynb'), '{}');
      const { stdout, stderr, code } = await bandalign(all, folder);
      expect(stderr).toContain('1 executed copies of these notebooks are left out');
      expect(stdout).toMatch(/^in\.ipynb: .*, in\.executed\.ipynb\nplain\.ts: .*, plain\.ipynb\n/);
      expect(code).toBe(0);
      const result = async (name: string): Promise<unknown> =>
        JSON.parse(await readFile(join(folder, name), 'utf8')).cells.at(-1).outputs[0].data['text/plain'];
      expect([await result('in.executed.ipynb'), await result('plain.ipynb')]).toEqual([['2'], ['2']]);
      const listed = await bandalign(['notebook', 'run', 'plain.ts', '--list-parameters'], folder);
      expect(listed.stdout).toBe('n: number = 1  (a count)\n');
    }));

  it('takes its kernel and the program that runs cells with it when it is killed', async () =>
    inFolder(async (folder) => {
      await writeNotebookFile(folder, 'loop.ipynb', ['console.log("on")', 'for (;;);']);
      const main = join(packageRoot, 'dist', 'cli', 'main.js');
      const child = spawn(process.execPath, [main, 'notebook', 'run', 'loop.ipynb'], {
        cwd: folder,
        stdio: 'ignore',
      });
      const ended = new Promise((resolve) => child.once('exit', resolve));
      // the first cell's copy is there: the second one loops
      await until(async () => (await readdir(folder)).includes('loop.executed.ipynb'), 60);
      const beneath = await descendants(child.pid!);
      expect(beneath.length).toBeGreaterThanOrEqual(2);
      child.kill('SIGKILL');
      await ended;
      await until(() => !beneath.some(isRunning), 15);
      expect(JSON.parse(await readFile(join(folder, 'loop.executed.ipynb'), 'utf8')).nbformat).toBe(4);
      // whole or not at all: nothing half-written lies beside it
      expect((await readdir(folder)).sort()).toEqual(['loop.executed.ipynb', 'loop.ipynb']);
    }));

  it('leaves what lies at --out as it is until a cell has run', async () =>
    inFolder(async (folder) => {
      await writeNotebookFile(folder, 'in.ipynb', ['process.exit(3)']);
      await writeNotebookFile(folder, 'wrong.ipynb', ['1']);
      await writeFile(join(folder, 'out.ipynb'), 'precious');
      const refused = await bandalign(
        ['notebook', 'run', 'wrong.ipynb', '-p', 'x=1', '--out', 'out.ipynb'],
        folder,
      );
      expect(refused.code).toBe(2);
      expect(await readFile(join(folder, 'out.ipynb'), 'utf8')).toBe('precious');
      expect(await readdir(folder)).toEqual(['in.ipynb', 'out.ipynb', 'wrong.ipynb']);
    }));

  it.each([
    [[], 'notebook: none given; name one or more .ipynb files'],
    [['none.ipynb'], expect.stringMatching(/^notebook: none\.ipynb: ENOENT/)],
    [['a.ipynb', '--jobs', '0'], '--jobs: 0; give 1 or more'],
    [['a.ipynb', '--timeout', 'soon'], '--timeout: soon; give seconds above 0'],
    [['a.ipynb', 'b.ipynb', '--out', 'x.ipynb'], '--out: x.ipynb; with several notebooks, name a folder'],
    [['a.ipynb', 'd/a.ipynb', '--out', 'x'], 'notebooks: two are named a.ipynb; run them one at a time'],
    [['a.ipynb', '-p', 'epochs'], 'parameter: epochs; write name=value'],
  ])('refuses %j', async (args, message) => {
    const { stderr, code } = await bandalign(['notebook', 'run', ...args]);
    expect(code).toBe(2);
    expect(stderr.replace(/^bandalign: /, '').trimEnd()).toEqual(message);
  });
});

describe('notebook export', () => {
  it('says that a notebook was not run only where there are neither counts nor outputs', async () =>
    inFolder(async (folder) => {
      const said = { output_type: 'stream', name: 'stdout', text: '4\n' } as const;
      await writeNotebookFile(folder, 'fresh.ipynb', [{ source: '2 + 2' }]);
      // as nbstripout and jupytext leave it: outputs without counts
      const counted = notebookJson([{ source: '2 + 2', outputs: [said] }]);
      const cleaned = counted.replace('"execution_count":1', '"execution_count":null');
      expect(cleaned).not.toBe(counted);
      await writeFile(join(folder, 'cleaned.ipynb'), cleaned);
      const { stderr, code } = await bandalign(
        ['notebook', 'export', 'fresh.ipynb', 'cleaned.ipynb', '--out', 'pages'],
        folder,
      );
      expect(code).toBe(0);
      expect(stderr.match(/\S+: it was not run/g)).toEqual(['fresh.ipynb: it was not run']);
    }));
});

describe('kernel', () => {
  it('prints a folder that holds the kernelspec', async () => {
    const { stdout } = await bandalign(['kernel', 'path']);
    const spec = JSON.parse(
      await readFile(join(stdout.trim(), 'kernels', 'bandalign', 'kernel.json'), 'utf8'),
    );
    expect(spec).toMatchObject({ language: 'typescript', interrupt_mode: 'message' });
    expect(spec.argv[1]).toBe('{resource_dir}/../../launcher.cjs');
  });

  it('installs for the user or into an environment, with absolute paths', async () =>
    inFolder(async (folder) => {
      const user = await bandalign(['kernel', 'install', '--user', '--json'], packageRoot, {
        JUPYTER_DATA_DIR: join(folder, 'data'),
      });
      expect(JSON.parse(user.stdout)).toEqual({ kernelspec: join(folder, 'data', 'kernels', 'bandalign') });
      const prefix = await bandalign(['kernel', 'install', '--prefix', folder, '--json']);
      const { kernelspec } = JSON.parse(prefix.stdout);
      expect(kernelspec).toBe(join(folder, 'share', 'jupyter', 'kernels', 'bandalign'));
      const { argv } = JSON.parse(await readFile(join(kernelspec, 'kernel.json'), 'utf8'));
      expect(argv).toEqual([
        process.execPath,
        join(packageRoot, 'jupyter', 'launcher.cjs'),
        '{connection_file}',
      ]);
      expect((await bandalign(['kernel', 'install', '--user', '--prefix', folder])).code).toBe(2);
    }));

  it('says that it is not built, and that a port is taken', async () =>
    inFolder(async (folder) => {
      await mkdir(join(folder, 'jupyter'));
      await symlink(join(packageRoot, 'jupyter', 'launcher.cjs'), join(folder, 'jupyter', 'launcher.cjs'));
      const start = (launcher: string, ...args: string[]): Promise<Called> =>
        promisify(execFile)(process.execPath, ['--preserve-symlinks-main', launcher, ...args]).then(
          ({ stdout, stderr }) => ({ stdout, stderr, code: 0 }),
          (error: Called) => error,
        );
      const unbuilt = await start(join(folder, 'jupyter', 'launcher.cjs'), 'x.json');
      expect(unbuilt.stderr).toMatch(/^bandalign: kernel: .*main\.js is missing; run `npm run build` in /);
      const { createServer } = await import('node:net');
      const server = createServer().listen(0, '127.0.0.1');
      await new Promise((resolve) => server.once('listening', resolve));
      const port = (server.address() as { port: number }).port;
      const connection = {
        transport: 'tcp',
        ip: '127.0.0.1',
        key: 'k',
        signature_scheme: 'hmac-sha256',
        shell_port: port,
        iopub_port: 0,
        stdin_port: 0,
        control_port: 0,
        hb_port: 0,
      };
      await writeFile(join(folder, 'c.json'), JSON.stringify(connection));
      const taken = await start(join(packageRoot, 'jupyter', 'launcher.cjs'), join(folder, 'c.json'));
      server.close();
      expect(taken.code).toBe(1);
      expect(taken.stderr).toMatch(/Address already in use/i);
    }));
});
