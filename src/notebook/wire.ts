import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';

/** Content of a message, and anything else that is a JSON object of unknown fields. */
export type Fields = Record<string, unknown>;

/** Is it an object of JSON, no list? */
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface Header {
  msg_id: string;
  session: string;
  username: string;
  date: string;
  msg_type: string;
  version: string;
}

/** One message of the Jupyter wire protocol 5.3 (jupyter-client, "Messaging in Jupyter"). */
export interface WireMessage {
  /** Routing prefix: whom a ROUTER socket answers, or the topic of an iopub message. */
  identities: Buffer[];
  header: Header;
  parent: Partial<Header>;
  metadata: Fields;
  content: Fields;
}

/** What a connection file says. */
export interface Connection {
  transport: string;
  ip: string;
  key: string;
  signature_scheme: string;
  shell_port: number;
  iopub_port: number;
  stdin_port: number;
  control_port: number;
  hb_port: number;
  kernel_name?: string;
}

const delimiter = '<IDS|MSG>';

const signature = (key: string, parts: readonly (string | Buffer)[]): string => {
  if (key === '') return '';
  const hmac = createHmac('sha256', key);
  for (const part of parts) hmac.update(part);
  return hmac.digest('hex');
};

/** A header with a fresh id. */
export const newHeader = (msg_type: string, session: string, username = 'bandalign'): Header => ({
  msg_id: randomUUID(),
  session,
  username,
  date: new Date().toISOString(),
  msg_type,
  version: '5.3',
});

/** The frames of a message, signed with HMAC-SHA256. */
export const encode = (key: string, message: WireMessage): (Buffer | string)[] => {
  const parts = [message.header, message.parent, message.metadata, message.content].map((part) =>
    JSON.stringify(part),
  );
  return [...message.identities, delimiter, signature(key, parts), ...parts];
};

/** Reads the frames of a message. Throws on a missing delimiter or a wrong signature. */
export const decode = (key: string, frames: readonly Buffer[]): WireMessage => {
  const at = frames.findIndex((frame) => frame.toString('latin1') === delimiter);
  if (at < 0 || frames.length < at + 6) throw new Error('wire: not a Jupyter message');
  const parts = frames.slice(at + 2, at + 6);
  // what follows the four parts, the buffers of widgets, is not signed
  const [sent, computed] = [frames[at + 1], Buffer.from(signature(key, parts))];
  if (sent.length !== computed.length || !timingSafeEqual(sent, computed))
    throw new Error('wire: wrong signature');
  const [header, parent, metadata, content] = parts.map(
    (part) => JSON.parse(part.toString('utf8')) as Fields,
  );
  return {
    identities: frames.slice(0, at),
    header: header as unknown as Header,
    parent: parent as Partial<Header>,
    metadata,
    content,
  };
};

/** The address of one of a kernel's sockets. */
export const address = (connection: Connection, port: number): string =>
  connection.transport === 'ipc'
    ? `ipc://${connection.ip}-${port}`
    : `${connection.transport}://${connection.ip}:${port}`;
