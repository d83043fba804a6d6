import { randomUUID } from 'node:crypto';
import { Publisher, Reply, Router } from 'zeromq';
import {
  address,
  type Connection,
  decode,
  encode,
  type Fields,
  newHeader,
  type WireMessage,
} from '../wire.js';

export type Channel = 'shell' | 'control';

/** A kernel's five sockets, bound. */
export interface KernelSockets {
  publish: (type: string, content: Fields, parent: WireMessage | undefined, metadata?: Fields) => void;
  reply: (channel: Channel, request: WireMessage, content: Fields) => void;
  /** Resolves when all that was published and replied has been handed to the network. */
  drained: () => Promise<void>;
  close: () => void;
}

/** Binds the sockets of `connection` and hands each valid request to `receive`. Throws where a port is taken. */
export const bindSockets = async (
  connection: Connection,
  receive: (channel: Channel, request: WireMessage) => void,
): Promise<KernelSockets> => {
  const session = randomUUID();
  // no high-water mark: a subscriber that is slow must not lose output, nor the word that a cell has ended
  const iopub = new Publisher({ sendHighWaterMark: 0, linger: 2000 });
  const shell = new Router({ linger: 2000 });
  const control = new Router({ linger: 2000 });
  const stdin = new Router({ linger: 0 });
  const heartbeat = new Reply({ linger: 0 });
  const bind = (socket: Publisher | Router | Reply, port: number): Promise<void> =>
    socket.bind(address(connection, port));
  await Promise.all([
    bind(iopub, connection.iopub_port),
    bind(shell, connection.shell_port),
    bind(control, connection.control_port),
    bind(stdin, connection.stdin_port),
    bind(heartbeat, connection.hb_port),
  ]);

  const listen = async (channel: Channel, socket: Router): Promise<void> => {
    for await (const frames of socket) {
      try {
        receive(channel, decode(connection.key, frames));
      } catch (error) {
        process.stderr.write(`bandalign: kernel: ${String(error)}\n`);
      }
    }
  };
  const echo = async (): Promise<void> => {
    for await (const frames of heartbeat) await heartbeat.send(frames);
  };
  const ignoreClose = (): void => {}; // the loops end when the sockets close
  listen('shell', shell).catch(ignoreClose);
  listen('control', control).catch(ignoreClose);
  echo().catch(ignoreClose);

  // one send at a time on each socket, in order
  const tails = new Map<Publisher | Router, Promise<void>>();
  const enqueue = (socket: Publisher | Router, message: WireMessage): void => {
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
    drained: async () => void (await Promise.all(tails.values())),
    close: () => {
      for (const socket of [iopub, shell, control, stdin, heartbeat]) socket.close();
    },
  };
};
