import { readFileSync } from 'node:fs';
import { reason } from '../../fault.js';
import type { Connection, Fields, WireMessage } from '../wire.js';
import type { CellError, EvaluatorEvent, EvaluatorQuestion } from './evaluator-messages.js';
import { type EvaluatorProcess, startEvaluator } from './evaluator-process.js';
import { kernelInfo } from './kernel-info.js';
import { languageAnswers, text } from './language-answers.js';
import { bindSockets, type Channel } from './sockets.js';
import { joinStreams } from './stream-joiner.js';

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
  /** The last cell that ran: what is printed after its end still belongs to it. */
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
  const printed = joinStreams((name, said) =>
    sockets.publish('stream', { name, text: said }, current?.request ?? lastRequest),
  );
  const status = (state: string, parent: WireMessage | undefined): void =>
    sockets.publish('status', { execution_state: state }, parent);
  const show = (error: CellError, parent: WireMessage | undefined): void =>
    sockets.publish(
      'error',
      { ename: error.ename, evalue: error.evalue, traceback: error.traceback },
      parent,
    );

  const finish = (error: CellError | undefined): void => {
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
        user_expressions: {},
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
      sockets.publish(
        event.update ? 'update_display_data' : 'display_data',
        {
          data: event.data,
          metadata: event.metadata,
          transient: event.displayId === undefined ? {} : { display_id: event.displayId },
        },
        parent,
      );
    else if (event.type === 'result')
      sockets.publish(
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
      if (event.id === current?.id) finish(event.error);
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
    const count = silent ? executionCount : ++executionCount;
    const code = text(content['code']);
    current = { ...next, id: nextId++, count };
    lastRequest = next.request;
    status('busy', next.request);
    if (!silent) sockets.publish('execute_input', { code, execution_count: count }, next.request);
    // a silent cell has no number; its negative one keeps it apart from the numbered ones
    start().send({
      ...{ id: current.id, type: 'execute', code, count: silent ? -current.id : count },
      allowInput: content['allow_stdin'] === true,
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

  const simple: Record<string, (request: WireMessage) => Fields | Promise<Fields>> = {
    kernel_info_request: () => info,
    ...languageAnswers(ask),
    history_request: () => ({ status: 'ok', history: [] }),
    comm_info_request: () => ({ status: 'ok', comms: {} }),
    interrupt_request: () => {
      interrupt();
      return { status: 'ok' };
    },
    shutdown_request: ({ content }) => ({ status: 'ok', restart: content['restart'] === true }),
  };

  const receive = async (channel: Channel, request: WireMessage): Promise<void> => {
    const type = request.header.msg_type;
    if (type === 'execute_request') {
      queue.push({ channel, request });
      return runNext();
    }
    const respond = simple[type];
    if (!respond) return; // comms and the debugger are not offered; kernel_info says so
    status('busy', request);
    sockets.reply(channel, request, await respond(request));
    status('idle', request);
    if (type === 'shutdown_request') await shutdown();
  };

  process.on('SIGINT', interrupt);
  process.on('SIGTERM', () => void shutdown());
  process.on('exit', () => evaluator?.kill());
  status('starting', undefined);
  start();
};
