import { readFileSync } from 'node:fs';
import { reason } from '../../fault.js';
import type { Connection, Fields, WireMessage } from '../wire.js';
import type { CellError, EvaluatorEvent, EvaluatorQuestion } from './evaluator-messages.js';
import { type EvaluatorProcess, startEvaluator } from './evaluator-process.js';
import { kernelInfo } from './kernel-info.js';
import { languageAnswers, text } from './language-answers.js';
import { bindSockets, type Channel } from './sockets.js';
import { joinStreams } from './stream-joiner.js';

/** The fields of `value` that are texts, where it has any. */
const textsIn = (value: unknown): Record<string, string> =>
  Object.fromEntries(
    Object.entries(value ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );

/** How long an interrupted cell may take to end before its process is replaced, milliseconds. */
const interruptPatience = 8000;

interface Execution {
  channel: Channel;
  request: WireMessage;
}

/**
 * A Jupyter kernel for TypeScript. This process speaks the protocol and computes nothing, so that it always answers;
 * cells run in a second process (evaluator.ts). When that one ends, the cell that ended it gets an error that says
 * why, and a fresh one takes its place: variables are gone, the notebook stays connected.
 *
 * - Output: complete and in order, up to the limits of {@link orderedOutput}.
 * - Interrupt: by `interrupt_request` or SIGINT. A cell that has not ended after 8 s is ended with its process.
 * - After a failed cell, requests that wait already are aborted if it asked for that (`stop_on_error`).
 */
export const serveKernel = async (connectionFile: string): Promise<void> => {
  const connection = JSON.parse(readFileSync(connectionFile, 'utf8')) as Connection;
  const info = kernelInfo();
  const queue: Execution[] = [];
  const answers = new Map<number, (content: Fields | undefined) => void>();
  let current: (Execution & { id: number; count: number }) | undefined;
  /** The last cell that ran and was not silent: what is printed after its end still belongs to it. */
  let lastRequest: WireMessage | undefined;
  let evaluator: EvaluatorProcess | undefined;
  let evaluatorReady = false;
  let nextId = 1;
  let executionCount = 0;
  let deadline: NodeJS.Timeout | undefined;
  let stuck = false;
  let closing = false;
  /** The cell waits for a line of input, with its thread or without. */
  let wanted: 'blocking' | 'later' | undefined;

  const answerInput = (line: string | undefined): void => {
    if (wanted === 'blocking') evaluator?.answerInput(line);
    else if (wanted === 'later' && line !== undefined) evaluator?.send({ id: nextId++, type: 'input', line });
    wanted = undefined;
  };
  const sockets = await bindSockets(
    connection,
    (channel, request) =>
      void receive(channel, request).catch((error: unknown) => {
        process.stderr.write(`bandalign: kernel: ${request.header.msg_type}: ${reason(error)}\n`);
      }),
    answerInput,
  );
  /** Publishes what a cell gives out, unless it was to be silent. */
  const output = (type: string, content: Fields, parent: WireMessage | undefined): void => {
    if (parent?.content['silent'] !== true) sockets.publish(type, content, parent);
  };
  const printed = joinStreams((name, said) =>
    output('stream', { name, text: said }, current?.request ?? lastRequest),
  );
  const status = (state: string, parent: WireMessage | undefined): void =>
    sockets.publish('status', { execution_state: state }, parent);
  const show = (error: CellError, parent: WireMessage | undefined): void =>
    output('error', { ename: error.ename, evalue: error.evalue, traceback: error.traceback }, parent);

  const finish = (error: CellError | undefined, expressions: Fields = {}): void => {
    if (!current) return;
    const { channel, request, count } = current;
    current = undefined;
    wanted = undefined;
    clearTimeout(deadline);
    deadline = undefined;
    if (error) {
      show(error, request);
      const { ename, evalue, traceback, line } = error;
      sockets.reply(channel, request, {
        status: 'error',
        execution_count: count,
        ename,
        evalue,
        traceback,
        ...(line === undefined ? {} : { bandalign: { line } }),
      });
      if (request.content['stop_on_error'] !== false) abortWaiting();
    } else
      sockets.reply(channel, request, {
        status: 'ok',
        execution_count: count,
        user_expressions: expressions,
        payload: [],
      });
    status('idle', request);
    runNext();
  };

  const abortWaiting = (): void => {
    for (const { channel, request } of queue.splice(0)) {
      status('busy', request);
      sockets.reply(channel, request, { status: 'aborted', execution_count: executionCount });
      status('idle', request);
    }
  };

  const onEvent = (event: EvaluatorEvent): void => {
    if (event.type === 'stream') {
      printed.write(event.name, event.text);
      return;
    }
    printed.flush();
    const parent = current?.request ?? lastRequest;
    if (event.type === 'display')
      output(
        event.update ? 'update_display_data' : 'display_data',
        {
          data: event.data,
          metadata: event.metadata,
          transient: event.displayId === undefined ? {} : { display_id: event.displayId },
        },
        parent,
      );
    else if (event.type === 'result')
      output(
        'execute_result',
        { data: event.data, metadata: event.metadata, execution_count: current?.count ?? executionCount },
        parent,
      );
    else if (event.type === 'stray-error') show(event.error, parent);
    else if (event.type === 'input') {
      wanted = event.blocking ? 'blocking' : 'later';
      if (current) sockets.askInput(current.request, event.prompt);
      else answerInput(undefined);
    } else if (event.type === 'executed') {
      if (event.id === current?.id) finish(event.error, event.expressions);
    } else if (event.type === 'reply') {
      answers.get(event.id)?.(event.content);
      answers.delete(event.id);
    } else if (event.type === 'ready') evaluatorReady = true;
  };

  const onEnd = (why: string): void => {
    evaluator = undefined;
    if (closing) return;
    printed.flush();
    const wasReady = evaluatorReady;
    evaluatorReady = false;
    for (const answer of answers.values()) answer(undefined);
    answers.clear();
    const reason = stuck ? 'the cell did not end when interrupted, so its process was ended' : why;
    stuck = false;
    const evalue = `the process that runs the cells has ended: ${reason}`;
    const error: CellError = {
      ename: 'KernelDied',
      evalue,
      traceback: [
        `KernelDied: ${evalue}`,
        'variables are lost; the next cell runs in a fresh process: run the notebook from its start',
      ],
    };
    if (current) finish(error);
    else if (lastRequest) show(error, lastRequest);
    if (wasReady) start(); // one that fails while it starts is tried again only when a cell needs it
  };

  const start = (): EvaluatorProcess => {
    evaluator ??= startEvaluator({
      onEvent,
      onRaw: printed.write,
      onEnd,
    });
    return evaluator;
  };

  const runNext = (): void => {
    const next = current ? undefined : queue.shift();
    if (!next) return;
    const { content } = next.request;
    const silent = content['silent'] === true;
    const isCounted = !silent && content['store_history'] !== false;
    const count = isCounted ? ++executionCount : executionCount;
    const code = text(content['code']);
    current = { ...next, id: nextId++, count };
    if (!silent) lastRequest = next.request;
    status('busy', next.request);
    output('execute_input', { code, execution_count: count }, next.request);
    start().send({
      // a cell that is not counted has no number; its negative one keeps it apart from the numbered ones
      ...{ id: current.id, type: 'execute', code, count: isCounted ? count : -current.id },
      allowInput: content['allow_stdin'] === true,
      expressions: textsIn(content['user_expressions']),
    });
  };

  const ask = (question: EvaluatorQuestion): Promise<Fields | undefined> =>
    new Promise((resolve) => {
      const id = nextId++;
      answers.set(id, resolve);
      start().send({ id, ...question });
    });

  const interrupt = (): void => {
    abortWaiting();
    if (!current || !evaluator) return;
    answerInput(undefined);
    evaluator.interrupt(current.id);
    deadline ??= setTimeout(() => {
      deadline = undefined;
      if (!current) return;
      stuck = true;
      evaluator?.kill();
    }, interruptPatience);
  };

  const shutdown = async (): Promise<void> => {
    closing = true;
    evaluator?.kill();
    await sockets.drained();
    sockets.close();
    process.exit(0);
  };

  /** What requests are replied to with; nothing where nobody waits for a reply. */
  const simple: Record<string, (request: WireMessage) => Fields | undefined | Promise<Fields>> = {
    kernel_info_request: () => info,
    ...languageAnswers(ask),
    history_request: () => ({ status: 'ok', history: [] }),
    comm_info_request: () => ({ status: 'ok', comms: {} }),
    interrupt_request: () => {
      interrupt();
      return { status: 'ok' };
    },
    shutdown_request: ({ content }) => ({ status: 'ok', restart: content['restart'] === true }),
    // there are no widgets here: whoever opens one is told that it is closed
    comm_open: (request) => {
      sockets.publish('comm_close', { comm_id: text(request.content['comm_id']), data: {} }, request);
      return undefined;
    },
    comm_msg: () => undefined,
    comm_close: () => undefined,
  };

  const receive = async (channel: Channel, request: WireMessage): Promise<void> => {
    const type = request.header.msg_type;
    if (type === 'execute_request') {
      queue.push({ channel, request });
      return runNext();
    }
    // no debugger, no subshells: kernel_info says so, and their requests get no reply
    if (!Object.hasOwn(simple, type)) return;
    status('busy', request);
    const content = await simple[type](request);
    if (content) sockets.reply(channel, request, content);
    status('idle', request);
    if (type === 'shutdown_request') await shutdown();
  };

  process.on('SIGINT', interrupt);
  process.on('SIGTERM', () => void shutdown());
  process.on('exit', () => evaluator?.kill());
  status('starting', undefined);
  start();
};
