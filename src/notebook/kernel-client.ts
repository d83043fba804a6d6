import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dealer, Subscriber } from 'zeromq';
import { Fault, reason } from '../fault.js';
import { removeAtExit } from '../files.js';
import { newConnection } from './new-connection.js';
import { launcherPath } from './package-root.js';
import { address, decode, encode, type Fields, newHeader, type WireMessage } from './wire.js';

/** A message of iopub: an output, or a change of state. */
export interface KernelMessage {
  type: string;
  content: Fields;
}

/** What a kernel answered; `died` in place of an answer when its process ended first. */
export type Answer = { content: Fields; died?: undefined } | { content?: undefined; died: string };

/** A running kernel and the one conversation with it. */
export interface KernelClient {
  /** Asks on shell and waits for the reply and the word that the kernel is idle again. */
  request: (type: string, content: Fields, onMessage?: (message: KernelMessage) => void) => Promise<Answer>;
  interrupt: () => Promise<void>;
  /** Ends the process group at once; whatever waits is answered with `died`. */
  kill: () => void;
  /** Asks the kernel to end, and ends it after 2 s. */
  stop: () => Promise<void>;
}

export interface KernelStart {
  /** Working directory of the kernel; a notebook's kernel starts in the notebook's folder. */
  cwd: string;
  env?: Record<string, string>;
  /** Milliseconds until the start counts as failed (default 60 000). */
  timeout?: number;
}

/** How long to wait for `idle` once a reply has come, and for a reply once `idle` has, milliseconds. */
const stragglerPatience = 10_000;
const mostStarts = 5;

const sleep = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

interface Waiting {
  onMessage: (message: KernelMessage) => void;
  reply?: Fields;
  idle: boolean;
  resolve: (answer: Answer) => void;
}

/** Thrown by a start that may go well the next time, with other ports. */
class PortTaken extends Error {}

const startOnce = async ({ cwd, env, timeout = 60_000 }: KernelStart): Promise<KernelClient> => {
  const folder = await mkdtemp(join(tmpdir(), 'bandalign-kernel-'));
  const connection = await newConnection();
  const file = join(folder, 'connection.json');
  await writeFile(file, JSON.stringify(connection), { mode: 0o600 });
  const child: ChildProcess = spawn(process.execPath, [launcherPath, file], {
    cwd,
    env: { ...process.env, ...env, JPY_PARENT_PID: String(process.pid) },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // a Ctrl-C at our terminal is ours to pass on
  });
  let said = '';
  const listen = (chunk: Buffer): void => {
    said = (said + chunk.toString('utf8')).slice(-4000);
  };
  child.stdout?.on('data', listen);
  child.stderr?.on('data', listen);

  const session = randomUUID();
  const shell = new Dealer({ linger: 0 });
  const control = new Dealer({ linger: 0 });
  const iopub = new Subscriber({ linger: 0, receiveHighWaterMark: 0 });
  const waiting = new Map<string, Waiting>();
  /** Receivers of what a request still causes after its answer: timers and promises that a cell left behind. */
  const afterwards = new Map<string, Waiting['onMessage']>();
  let died: string | undefined;
  const ended = new Promise<void>((resolve) => {
    const end = (why: string): void => {
      died ??= why;
      for (const { resolve: answer } of waiting.values()) answer({ died: why });
      waiting.clear();
      resolve();
    };
    child.once('error', (error) => end(`it could not be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      const last = said.trim().split('\n').at(-1);
      end(
        `${signal === null ? `the kernel ended with status ${code}` : `the kernel was ended by ${signal}`}${last ? `: ${last}` : ''}`,
      );
    });
  });
  const kill = (): void => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    } catch {
      // it is gone
    }
  };
  process.once('exit', kill);
  const keepFolder = removeAtExit(folder);
  const close = async (): Promise<void> => {
    kill();
    await ended;
    process.off('exit', kill);
    for (const socket of [shell, control, iopub]) socket.close();
    await rm(folder, { recursive: true, force: true });
    keepFolder();
  };

  shell.connect(address(connection, connection.shell_port));
  control.connect(address(connection, connection.control_port));
  iopub.connect(address(connection, connection.iopub_port));
  iopub.subscribe();
  const settle = (id: string, entry: Waiting): void => {
    if (entry.reply && entry.idle) {
      waiting.delete(id);
      afterwards.set(id, entry.onMessage);
      entry.resolve({ content: entry.reply });
    }
  };
  const pump = async (socket: Dealer | Subscriber, broadcast: boolean): Promise<void> => {
    for await (const frames of socket) {
      const { header, parent, content }: WireMessage = decode(connection.key, frames);
      const id = parent.msg_id ?? '';
      const entry = waiting.get(id);
      if (!entry) {
        if (broadcast && header.msg_type !== 'status')
          afterwards.get(id)?.({ type: header.msg_type, content });
        continue;
      }
      if (!broadcast) entry.reply = content;
      else if (header.msg_type === 'status') entry.idle ||= content['execution_state'] === 'idle';
      else entry.onMessage({ type: header.msg_type, content });
      if (entry.idle !== (entry.reply !== undefined))
        setTimeout(() => {
          // the other half was lost: an answer with what has come is better than none
          if (!waiting.has(id)) return;
          entry.idle = true;
          entry.reply ??= { status: 'error', ename: 'NoReply', evalue: 'the kernel sent no reply' };
          settle(id, entry);
        }, stragglerPatience).unref();
      settle(id, entry);
    }
  };
  const ignoreClose = (): void => {};
  for (const socket of [shell, control]) pump(socket, false).catch(ignoreClose);
  pump(iopub, true).catch(ignoreClose);

  const ask = (
    socket: Dealer,
    type: string,
    content: Fields,
    onMessage: (message: KernelMessage) => void = () => {},
  ): Promise<Answer> => {
    if (died !== undefined) return Promise.resolve({ died });
    const header = newHeader(type, session);
    const answer = new Promise<Answer>((resolve) => {
      waiting.set(header.msg_id, { onMessage, idle: false, resolve });
    });
    const message: WireMessage = { identities: [], header, parent: {}, metadata: {}, content };
    sending = sending.then(() => socket.send(encode(connection.key, message))).catch(ignoreClose);
    return answer;
  };
  let sending: Promise<void> = Promise.resolve();

  // a subscription takes a moment: only when an answer has come with its idle do both ways work
  const begun = performance.now();
  for (let heard = false; !heard; ) {
    if (died !== undefined) {
      await close();
      if (/address already in use|EADDRINUSE/i.test(said)) throw new PortTaken(died);
      throw new Fault(
        `kernel: ${died}; see \`bandalign kernel path\` and the README's section on notebooks`,
        1,
      );
    }
    if (performance.now() - begun > timeout) {
      await close();
      throw new Fault(`kernel: not ready after ${timeout / 1000} s; the machine may be overloaded`, 1);
    }
    const asked = ask(shell, 'kernel_info_request', {}).then((answer) => {
      heard ||= answer.content !== undefined;
    });
    await Promise.race([asked, sleep(100)]);
  }
  for (const id of waiting.keys()) waiting.delete(id);
  // the kernel answers long before its compiler is loaded; cells are not to be timed by that
  const warm = ask(shell, 'execute_request', { code: '', silent: true, store_history: false });
  const answer = await Promise.race([warm, sleep(timeout)]);
  if (answer?.content?.['status'] !== 'ok') {
    const why = answer
      ? (answer.died ?? String(answer.content['evalue']))
      : `not ready after ${timeout / 1000} s`;
    await close();
    throw new Fault(`kernel: ${why}; \`bandalign kernel path\` tells where it is`, 1);
  }

  return {
    request: (type, content, onMessage) => ask(shell, type, content, onMessage),
    interrupt: async () => void (await Promise.race([ask(control, 'interrupt_request', {}), sleep(2000)])),
    kill,
    stop: async () => {
      const farewell = ask(control, 'shutdown_request', { restart: false }).then(() => ended);
      await Promise.race([farewell, sleep(2000)]);
      await close();
    },
  };
};

/**
 * Starts a kernel in a process of its own. Ports are picked, released and then bound by the kernel; when another
 * program takes one in between, the start is repeated with others. Throws a Fault when the kernel does not come up.
 */
export const startKernel = async (start: KernelStart): Promise<KernelClient> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startOnce(start);
    } catch (error) {
      if (!(error instanceof PortTaken)) throw error;
      if (attempt === mostStarts) throw new Fault(`kernel: no free ports: ${reason(error)}`, 1);
    }
  }
};
