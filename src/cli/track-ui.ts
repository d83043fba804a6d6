import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, open, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Fault } from '../fault.js';
import { openDestination } from '../tracking/send.js';
import { follow, syncFolders } from '../tracking/sync.js';
import type { Command } from './command.js';
import { outputOption, text, whole } from './options.js';

/** Where the server keeps its database and artifacts: a copy of the runs, made again when it is removed. */
export const serverFolder = '.bandalign/mlflow';

/** The command that runs MLflow, and its version. */
const findMlflow = async (): Promise<{ command: string[]; version: string }> => {
  const given = process.env['BANDALIGN_MLFLOW'];
  const environment = process.env['VIRTUAL_ENV'];
  const candidates = given
    ? [[given], [given, '-m', 'mlflow']]
    : [
        ...(environment ? [[join(environment, 'bin', 'mlflow')]] : []),
        ['mlflow'],
        ['python3', '-m', 'mlflow'],
        ['python', '-m', 'mlflow'],
      ];
  for (const [file, ...words] of candidates) {
    const call = promisify(execFile)(file, [...words, '--version'], { timeout: 60_000 });
    const { stdout } = await call.catch(() => ({ stdout: '' }));
    const [, version] = /mlflow, version ((?:[2-9]|\d\d)\.\S+)/.exec(stdout) ?? [];
    if (version) return { command: [file, ...words], version };
  }
  throw new Fault(
    `mlflow: ${given ? `BANDALIGN_MLFLOW=${given} does not run it` : 'no Python with it was found'}; install it by one of uv tool install mlflow, pipx install mlflow, pip install mlflow`,
    1,
  );
};

/** `port` if it is free, any free one for 0; null if it is taken. */
const freePort = (port: number): Promise<number | null> =>
  new Promise((done) => {
    const server = createServer()
      .once('error', () => done(null))
      .listen(port, '127.0.0.1', () => {
        const { port: free } = server.address() as { port: number };
        server.close(() => done(free));
      });
  });

/** The line that says most at the end of a server's log. */
const lastWords = async (log: string): Promise<string> => {
  const lines = (await readFile(log, 'utf8').catch(() => '')).split('\n').filter((line) => line.trim());
  return (lines.findLast((line) => /error|upgrade/i.test(line)) ?? lines.at(-1) ?? '').trim().slice(0, 300);
};

interface Server {
  address: string;
  version: string;
  /** Resolves when it has ended, by itself or stopped. */
  ended: Promise<void>;
  stop: () => Promise<void>;
}

/** Signals a server's group, which its workers are in. */
const signalGroup = (child: ChildProcess, signal: NodeJS.Signals): void => {
  try {
    process.kill(-child.pid!, signal);
  } catch {
    // it has ended
  }
};

const stopServer = async (child: ChildProcess, ended: Promise<void>): Promise<void> => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    signalGroup(child, signal);
    await Promise.race([ended, sleep(5000, undefined, { ref: false })]);
  }
};

/** Starts an MLflow server on this machine and waits until it answers. */
const startServer = async (
  folder: string,
  port: number | undefined,
  signal: AbortSignal,
): Promise<Server> => {
  const { command, version } = await findMlflow();
  signal.throwIfAborted();
  const free = (await freePort(port ?? 5000)) ?? (port === undefined ? await freePort(0) : null);
  if (free === null) throw new Fault(`--port: ${port}; it is taken, give another`);
  await mkdir(join(folder, 'artifacts'), { recursive: true });
  const path = join(folder, 'mlflow.log');
  const log = await open(path, 'a');
  const [file, ...words] = [
    ...command,
    ...['server', '--host', '127.0.0.1', '--port', String(free), '--workers', '1'],
    ...['--backend-store-uri', `sqlite:///${join(folder, 'mlflow.db')}`],
    ...['--artifacts-destination', join(folder, 'artifacts')],
  ];
  const child = spawn(file, words, {
    cwd: folder,
    // a group of its own: Ctrl-C is for this program, which ends it
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: { ...process.env, MLFLOW_TRACKING_URI: '', MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false' },
  });
  const kill = (): void => signalGroup(child, 'SIGKILL');
  process.once('exit', kill);
  let isGone = false;
  const ended = new Promise<void>((done) => {
    const gone = (): void => {
      isGone = true;
      process.off('exit', kill);
      done();
    };
    child.once('exit', gone).once('error', gone);
  });
  await log.close();
  const address = `http://127.0.0.1:${free}`;
  const stop = (): Promise<void> => stopServer(child, ended);
  const answers = (): Promise<boolean> =>
    fetch(`${address}/health`, { signal: AbortSignal.timeout(2000) }).then(
      ({ ok }) => ok,
      () => false,
    );
  for (let tries = 0; !(await answers()); tries++) {
    if (isGone || tries > 480 || signal.aborted) {
      await stop();
      signal.throwIfAborted();
      throw new Fault(`mlflow: the server did not start: ${await lastWords(path)}; see ${path}`, 1);
    }
    await sleep(250);
  }
  return { address, version, ended, stop };
};

export const command: Command = {
  path: ['track', 'ui'],
  summary: 'look at the runs in MLflow: starts a server here, sends what there is, and follows until Ctrl-C',
  options: {
    ...outputOption,
    port: { type: 'string', value: 'N', help: 'port of the server (default: 5000, or any if that is taken)' },
  },
  run: async (call) => {
    const { signal, note, progress: onProgress } = call;
    const folder = resolve(serverFolder);
    const root = text(call, 'output-dir')!;
    note('starting an MLflow server');
    const server = await startServer(folder, whole(call, 'port', 1), signal);
    try {
      const destination = openDestination(server.address, note, { env: {}, signal });
      const seen = new Map<string, number>();
      const { runs, failed } = await syncFolders(root, destination, { seen, onProgress });
      for (const { folder, reason } of failed) note(`${folder}: not sent; ${reason}`);
      call.print(`MLflow ${server.version} with ${runs} runs: ${server.address}  (Ctrl-C ends it)`);
      call.json({ address: server.address, version: server.version, folder, runs });
      const following = follow(root, destination, { seen });
      await Promise.race([
        server.ended,
        new Promise((done) => signal.addEventListener('abort', done, { once: true })),
      ]);
      if (!signal.aborted)
        throw new Fault(`mlflow: the server has ended: ${await lastWords(join(folder, 'mlflow.log'))}`, 1);
      await following.stop();
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await server.stop();
    }
  },
};
