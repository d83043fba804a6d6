import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Dealer, Request, Subscriber } from 'zeromq';
import { jupyterPath } from '../../src/notebook/kernelspec.js';
import { newConnection } from '../../src/notebook/new-connection.js';
import { launcherPath } from '../../src/notebook/package-root.js';
import {
  address,
  type Connection,
  decode,
  encode,
  type Fields,
  newHeader,
  type WireMessage,
} from '../../src/notebook/wire.js';
import { requireBuild } from './built.js';

requireBuild();

type Channel = 'shell' | 'control' | 'stdin';

/** A front end's sockets. Those of shell and stdin have one identity, as the protocol wants it. */
interface FrontEnd {
  /** Everything received, by channel, oldest first. */
  heard: Record<Channel | 'iopub', WireMessage[]>;
  send: (message: unknown, channel?: Channel, buffers?: Buffer[]) => Promise<void>;
  close: () => void;
}

const request = (type: string, content: unknown = {}): WireMessage => ({
  ...{ identities: [], header: newHeader(type, 'test'), parent: {}, metadata: {} },
  content: content as Fields,
});

const frontEnd = (connection: Connection, routingId: string): FrontEnd => {
  const dealers = {
    shell: new Dealer({ linger: 0, routingId }),
    stdin: new Dealer({ linger: 0, routingId }),
    control: new Dealer({ linger: 0 }),
  };
  const iopub = new Subscriber({ linger: 0, receiveHighWaterMark: 0 });
  const heard: FrontEnd['heard'] = { shell: [], control: [], stdin: [], iopub: [] };
  iopub.subscribe();
  for (const [channel, socket] of [...Object.entries(dealers), ['iopub', iopub]] as const) {
    socket.connect(address(connection, connection[`${channel as Channel}_port`]));
    const listen = async (): Promise<void> => {
      for await (const frames of socket) heard[channel as Channel].push(decode(connection.key, frames));
    };
    listen().catch(() => {}); // ends when the socket closes
  }
  return {
    heard,
    send: (message, channel = 'shell', buffers = []) =>
      dealers[channel].send([...encode(connection.key, message as WireMessage), ...buffers]),
    close: () => {
      for (const socket of [...Object.values(dealers), iopub]) socket.close();
    },
  };
};

const until = async <T>(find: () => T | undefined | false, what: string): Promise<T> => {
  for (const begun = performance.now(); performance.now() - begun < 60_000; ) {
    const found = find();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`not in a minute: ${what}`);
};

const parentOf =
  ({ header }: WireMessage) =>
  ({ parent }: WireMessage): boolean =>
    parent.msg_id === header.msg_id;

const stateOf = ({ content }: WireMessage): unknown => content['execution_state'];

describe('the messages of Jupyter’s protocol', { timeout: 120_000 }, () => {
  let folder: string;
  let kernel: ChildProcess;
  let connection: Connection;
  let one: FrontEnd;
  let two: FrontEnd;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bandalign-messages-'));
    connection = await newConnection();
    const file = join(folder, 'connection.json');
    await writeFile(file, JSON.stringify(connection));
    kernel = spawn(process.execPath, [launcherPath, file], { cwd: folder, stdio: 'ignore' });
    one = frontEnd(connection, 'one');
    two = frontEnd(connection, 'two');
    // a subscription takes a moment
    await until(() => {
      void one.send(request('kernel_info_request'));
      return one.heard.iopub.length > 0 && two.heard.iopub.length > 0;
    }, 'a status');
  }, 120_000);
  afterAll(async () => {
    one.close();
    two.close();
    kernel.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  const replyTo = (message: WireMessage, channel: Channel = 'shell'): Promise<WireMessage> =>
    until(() => one.heard[channel].find(parentOf(message)), `a reply to ${message.header.msg_type}`);
  /** What every front end hears of a message until the kernel is idle again, without the two states around it. */
  const toldOf = async (message: WireMessage): Promise<WireMessage[]> => {
    const told = (): WireMessage[] => one.heard.iopub.filter(parentOf(message));
    await until(() => told().some((one) => stateOf(one) === 'idle'), `idle after ${message.header.msg_type}`);
    const [first, ...rest] = told();
    expect(stateOf(first)).toBe('busy');
    expect(stateOf(rest.at(-1)!)).toBe('idle');
    return rest.slice(0, -1);
  };
  const typesOf = (messages: readonly WireMessage[]): string[] =>
    messages.map(({ header }) => header.msg_type);

  const cell = (code: string, more: Fields = {}): Fields => ({
    ...{ code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false },
    ...{ stop_on_error: true, ...more },
  });
  const plain = (text: string): Fields => ({ status: 'ok', data: { 'text/plain': text }, metadata: {} });
  const code = 'const bands = ["red"]; bands.len';

  const answered: [what: string, type: string, content: Fields, reply: Fields, told: string[]][] = [
    [
      'tells of itself',
      'kernel_info_request',
      {},
      {
        status: 'ok',
        protocol_version: expect.stringMatching(/^5\.\d/),
        implementation: 'bandalign',
        implementation_version: expect.stringMatching(/^\d+\.\d+\.\d+/),
        banner: expect.any(String),
        help_links: [],
        debugger: false,
        supported_features: [],
        language_info: {
          name: 'typescript',
          version: expect.stringMatching(/^5\./),
          mimetype: 'text/typescript',
          file_extension: '.ts',
          pygments_lexer: 'typescript',
          nbconvert_exporter: 'script',
          codemirror_mode: expect.objectContaining({ mode: 'typescript' }),
        },
      },
      [],
    ],
    [
      'counts a cell',
      'execute_request',
      cell('1 + 1'),
      { status: 'ok', execution_count: 1, user_expressions: {}, payload: [] },
      ['execute_input', 'execute_result'],
    ],
    [
      'does not count one that is not stored',
      'execute_request',
      cell('2 + 2', { store_history: false }),
      { status: 'ok', execution_count: 1 },
      ['execute_input', 'execute_result'],
    ],
    [
      'keeps silent about a silent one, outputs and value',
      'execute_request',
      cell('const kept = 5; console.log(kept); kept', { silent: true }),
      { status: 'ok', execution_count: 1 },
      [],
    ],
    [
      'keeps silent about the failure of a silent one, but for the reply',
      'execute_request',
      cell('throw new RangeError("quiet");', { silent: true }),
      { status: 'error', ename: 'RangeError', evalue: 'quiet', traceback: expect.any(Array) },
      [],
    ],
    [
      'evaluates expressions beside a cell, each with its own failure',
      'execute_request',
      cell('const gain = kept / 2;', {
        user_expressions: {
          gain: 'gain',
          text: 'gain + " times"',
          wrong: 'gian',
          thrown: '(() => { throw new RangeError("no"); })()',
          later: 'await Promise.resolve([1])',
        },
      }),
      {
        status: 'ok',
        execution_count: 2,
        user_expressions: {
          gain: plain('2.5'),
          text: plain('2.5 times'),
          wrong: expect.objectContaining({ status: 'error', ename: 'TypeScriptError' }),
          thrown: expect.objectContaining({ status: 'error', ename: 'RangeError', evalue: 'no' }),
          later: plain('[ 1 ]'),
        },
      },
      ['execute_input'],
    ],
    [
      'gives a failure in the reply and to everybody',
      'execute_request',
      cell('console.error("before"); throw new RangeError("x");', { user_expressions: { a: '1' } }),
      { status: 'error', execution_count: 3, ename: 'RangeError', evalue: 'x', traceback: expect.any(Array) },
      ['execute_input', 'stream', 'error'],
    ],
    [
      'asks nobody where nobody may be asked',
      'execute_request',
      cell('prompt("name?")'),
      { status: 'error', ename: 'InputUnavailable' },
      ['execute_input', 'error'],
    ],
    [
      'runs no code, too',
      'execute_request',
      cell(''),
      { status: 'ok', execution_count: 5 },
      ['execute_input'],
    ],
    [
      'completes',
      'complete_request',
      { code, cursor_pos: code.length },
      { status: 'ok', matches: ['length'], cursor_start: code.length - 3, cursor_end: code.length },
      [],
    ],
    [
      'inspects',
      'inspect_request',
      { code: 'gain', cursor_pos: 2, detail_level: 0 },
      { status: 'ok', found: true, data: { 'text/plain': expect.stringContaining('number') }, metadata: {} },
      [],
    ],
    [
      'inspects what is nothing',
      'inspect_request',
      { code: '   ', cursor_pos: 1, detail_level: 1 },
      { status: 'ok', found: false, data: {}, metadata: {} },
      [],
    ],
    ['takes code for complete', 'is_complete_request', { code: 'const a = 1;' }, { status: 'complete' }, []],
    [
      'takes code for incomplete',
      'is_complete_request',
      { code: 'for (const a of [1]) {' },
      { status: 'incomplete', indent: '  ' },
      [],
    ],
    ['takes code for invalid', 'is_complete_request', { code: 'const = 1;' }, { status: 'invalid' }, []],
    [
      'has no history of its own',
      'history_request',
      { output: false, raw: true, hist_access_type: 'tail', n: 10 },
      { status: 'ok', history: [] },
      [],
    ],
    [
      'has no widgets',
      'comm_info_request',
      { target_name: 'jupyter.widget' },
      { status: 'ok', comms: {} },
      [],
    ],
    ['outlives odd contents', 'complete_request', { code: 5, cursor_pos: 'x' }, { status: 'ok' }, []],
  ];
  it.each(answered)('%s', async (_, type, content, reply, told) => {
    const asked = request(type, content);
    await one.send(asked);
    const { header, content: answer, metadata } = await replyTo(asked);
    expect(header).toMatchObject({ msg_type: type.replace('request', 'reply'), version: '5.3' });
    expect(Number.isNaN(Date.parse(header.date))).toBe(false);
    expect(answer).toMatchObject(reply);
    expect(metadata).toEqual({});
    expect(typesOf(await toldOf(asked))).toEqual(told);
  });

  it.each([
    ['closes a widget that is opened', 'comm_open', ['comm_close']],
    ['hears a widget', 'comm_msg', []],
    ['hears that a widget is closed', 'comm_close', []],
  ])('%s, and has no reply to it', async (_, type, told) => {
    const note = request(type, { comm_id: 'c1', target_name: 'jupyter.widget', data: {} });
    await one.send(note, 'shell', [Buffer.from('a buffer, which is not signed')]);
    const heard = await toldOf(note);
    expect(typesOf(heard)).toEqual(told);
    for (const { content } of heard) expect(content).toEqual({ comm_id: 'c1', data: {} });
    expect(one.heard.shell.some(parentOf(note))).toBe(false);
  });

  it.each<[Channel, string]>([
    ['control', 'debug_request'],
    ['control', 'create_subshell_request'],
    ['shell', 'connect_request'],
    ['shell', 'constructor'],
    ['shell', 'input_reply'],
    ['stdin', 'input_reply'],
    ['stdin', 'execute_request'],
  ])('hears nothing in %s: %s, and lives on', async (channel, type) => {
    const unknown = request(type, { value: 'x', code: '1' });
    await one.send(unknown, channel);
    const last = request('kernel_info_request');
    await one.send(last, channel === 'control' ? 'control' : 'shell');
    await replyTo(last, channel === 'control' ? 'control' : 'shell');
    await toldOf(last);
    expect([...one.heard[channel], ...one.heard.iopub].filter(parentOf(unknown))).toEqual([]);
  });

  it('runs a cell whatever subshell it names', async () => {
    const asked = request('execute_request', cell('1'));
    await one.send({ ...asked, header: { ...asked.header, subshell_id: 'none' } });
    expect((await replyTo(asked)).content).toMatchObject({ status: 'ok' });
  });

  it('answers a message once, however often it is sent, and outlives malformed ones that are signed', async () => {
    const asked = request('kernel_info_request');
    await one.send(asked);
    await one.send(asked);
    for (const header of [null, 5, 'x', {}, { msg_type: 7 }]) await one.send({ ...request('x'), header });
    await one.send(request('execute_request', null));
    const last = request('kernel_info_request');
    await one.send(last);
    await replyTo(last);
    expect(one.heard.shell.filter(parentOf(asked))).toHaveLength(1);
  });

  it('leaves out the cells that wait behind a failed one, and runs them when told to', async () => {
    const wait = 'await new Promise((r) => setTimeout(r, 300)); throw new Error("x");';
    for (const [stop, then] of [
      [true, 'aborted'],
      [false, 'ok'],
    ] as const) {
      const [failing, next] = [cell(wait, { stop_on_error: stop }), cell('1')].map((content) =>
        request('execute_request', content),
      );
      await one.send(failing);
      await one.send(next);
      expect((await replyTo(failing)).content).toMatchObject({ status: 'error' });
      expect((await replyTo(next)).content).toMatchObject({ status: then });
      expect(typesOf(await toldOf(next))).toEqual(then === 'ok' ? ['execute_input', 'execute_result'] : []);
    }
  });

  it('asks the front end whose cell it is, and no other, and tells both what came of it', async () => {
    const asked = request('execute_request', cell('prompt("name?")', { allow_stdin: true }));
    await two.send(asked);
    const question = await until(() => two.heard.stdin.find(parentOf(asked)), 'a question');
    expect(question.header.msg_type).toBe('input_request');
    expect(question.content).toEqual({ prompt: 'name?', password: false });
    await two.send({ ...request('input_reply', { value: 'red' }), parent: question.header }, 'stdin');
    const reply = await until(() => two.heard.shell.find(parentOf(asked)), 'a reply');
    expect(reply.content).toMatchObject({ status: 'ok' });
    expect(one.heard.stdin).toEqual([]);
    expect(one.heard.shell.some(parentOf(asked))).toBe(false);
    const result = (await toldOf(asked)).find(({ header }) => header.msg_type === 'execute_result');
    expect(result?.content['data']).toEqual({ 'text/plain': 'red' });
  });

  it('answers on the control channel while a cell computes, and interrupts it there', async () => {
    const running = request('execute_request', cell('console.log("begun"); for (;;) {}'));
    await one.send(running);
    await until(
      () => one.heard.iopub.find((one) => one.header.msg_type === 'stream' && parentOf(running)(one)),
      'the cell',
    );
    for (const type of ['kernel_info_request', 'interrupt_request']) {
      const asked = request(type);
      await one.send(asked, 'control');
      expect((await replyTo(asked, 'control')).content).toMatchObject({ status: 'ok' });
      await toldOf(asked);
    }
    expect((await replyTo(running)).content).toMatchObject({ status: 'error', ename: 'Interrupted' });
    expect(typesOf(await toldOf(running))).toEqual(['execute_input', 'stream', 'error']);
  });

  it('echoes the heartbeat', async () => {
    const heart = new Request({ linger: 0, receiveTimeout: 10_000 });
    heart.connect(address(connection, connection.hb_port));
    await heart.send('ping');
    expect(String(await heart.receive())).toBe('ping');
    heart.close();
  });

  it('ends when it is shut down, and says whether it is to come again', async () => {
    const ended = new Promise((resolve) => kernel.once('exit', resolve));
    const asked = request('shutdown_request', { restart: true });
    await one.send(asked, 'control');
    expect((await replyTo(asked, 'control')).content).toEqual({ status: 'ok', restart: true });
    await toldOf(asked);
    expect(await ended).toBe(0);
  });
});

it('is described as front ends need it', async () => {
  const spec: unknown = JSON.parse(
    await readFile(join(jupyterPath, 'kernels/bandalign/kernel.json'), 'utf8'),
  );
  expect(spec).toEqual({
    argv: ['node', '{resource_dir}/../../launcher.cjs', '{connection_file}'],
    display_name: 'TypeScript (bandalign)',
    language: 'typescript',
    interrupt_mode: 'message',
    metadata: { debugger: false },
  });
});
