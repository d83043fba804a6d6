import { randomUUID } from 'node:crypto';
import type * as zeromq from 'zeromq';
import { requireForNotebooks } from '../notebook-packages.js';
import {
  address,
  type Connection,
  decode,
  encode,
  type Fields,
  newHeader,
  type WireMessage,
} from '../wire.js';

/** Signatures that are remembered. */
const mostSeen = 65_536;

export type Channel = 'shell' | 'control';

/** A kernel's five sockets, bound. */
export interface KernelSockets {
  publish: (type: string, content: Fields, parent: WireMessage | undefined, metadata?: Fields) => void;
  reply: (channel: Channel, request: WireMessage, content: Fields) => void;
  /** Asks the front end that sent `request` for a line of input. */
  askInput: (request: WireMessage, prompt: string) => void;
  /** Resolves when all that was published and replied has been handed to the network. */
  drained: () => Promise<void>;
  close: () => void;
}

/** Binds the sockets of `connection` and hands each valid request to `receive`. Throws where a port is taken. */
export const bindSockets = async (
  connection: Connection,
  receive: (channel: Channel, request: WireMessage) => void,
  receiveInput: (line: string) => void,
): Promise<KernelSockets> => {
  const { Publisher, Reply, Router } = requireForNotebooks<typeof zeromq>('zeromq');
  const session = randomUUID();
  // no high-water mark: a subscriber that is slow must not lose output, nor the word that a cell has ended
  const iopub = new Publisher({ sendHighWaterMark: 0, linger: 2000 });
  const shell = new Router({ linger: 2000 });
  const control = new Router({ linger: 2000 });
  const stdin = new Router({ linger: 0 });
  const heartbeat = new Reply({ linger: 0 });
  const bind = (socket: zeromq.Publisher | zeromq.Router | zeromq.Reply, port: number): Promise<void> =>
    socket.bind(address(connection, port));
  await Promise.all([
    bind(iopub, connection.iopub_port),
    bind(shell, connection.shell_port),
    bind(control, connection.control_port),
    bind(stdin, connection.stdin_port),
    bind(heartbeat, connection.hb_port),
  ]);

  const seen = new Set<string>();
  const listen = async (socket: zeromq.Router, hand: (message: WireMessage) => void): Promise<void> => {
    for await (const frames of socket) {
      try {
        const message = decode(connection.key, frames);
        if (typeof message.header?.msg_type !== 'string' || typeof (message.content ?? 0) !== 'object')
          throw new Error('wire: a message without header or content');
        // a copy of a message that was sent before carries its signature: somebody repeats what they cannot sign
        const sign = frames[message.identities.length + 1].toString('latin1');
        if (sign !== '' && seen.has(sign)) throw new Error('wire: a message that came before');
        seen.add(sign);
        if (seen.size > mostSeen) seen.delete(seen.values().next().value as string);
        hand(message);
      } catch (error) {
        process.stderr.write(`bandalign: kernel: ${String(error)}\n`);
      }
    }
  };
  const echo = async (): Promise<void> => {
    for await (const frames of heartbeat) await heartbeat.send(frames);
  };
  const ignoreClose = (): void => {}; // the loops end when the sockets close
  listen(shell, (request) => receive('shell', request)).catch(ignoreClose);
  listen(control, (request) => receive('control', request)).catch(ignoreClose);
  listen(stdin, ({ header, content }) => {
    if (header.msg_type === 'input_reply') receiveInput(String(content['value'] ?? ''));
  }).catch(ignoreClose);
  echo().catch(ignoreClose);

  // one send at a time on each socket, in order
  const tails = new Map<zeromq.Publisher | zeromq.Router, Promise<void>>();
  const enqueue = (socket: zeromq.Publisher | zeromq.Router, message: WireMessage): void => {
    const frames = encode(connection.key, message);
    const sent = (tails.get(socket) ?? Promise.resolve()).then(() => socket.send(frames)).catch(ignoreClose);
    tails.set(socket, sent);
  };
  return {
    publish: (type, content, parent, metadata = {}) =>
      enqueue(iopub, {
        identities: [Buffer.from(`kernel.${session}.${type}`)],
        header: newHeader(type, session),
        parent: parent?.header ?? {},
        metadata,
        content,
      }),
    reply: (channel, request, content) =>
      enqueue(channel === 'shell' ? shell : control, {
        identities: request.identities,
        header: newHeader(request.header.msg_type.replace(/_request$/, '_reply'), session),
        parent: request.header,
        metadata: {},
        content,
      }),
    askInput: (request, prompt) =>
      enqueue(stdin, {
        identities: request.identities,
        header: newHeader('input_request', session),
        parent: request.header,
        metadata: {},
        content: { prompt, password: false },
      }),
    drained: async () => void (await Promise.all(tails.values())),
    close: () => {
      for (const socket of [iopub, shell, control, stdin, heartbeat]) socket.close();
    },
  };
};
