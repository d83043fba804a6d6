import { open } from 'node:fs/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { Fault, reason } from '../fault.js';

/** Random access to the bytes of a local file or of a URL. */
export interface ByteSource {
  path: string;
  /** Bytes in all; null where a server does not say. */
  size: number | null;
  /** The bytes from `offset`, fewer than `length` only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

const pageSize = 65536;
const pagesKept = 32;
const attempts = 4;
const answerWithin = 60_000;

/** Serves small reads from whole pages: a directory's many small fields cost one system call or one request. */
const paged = (source: ByteSource): ByteSource => {
  const pages = new Map<number, Promise<Uint8Array>>();
  const page = (index: number): Promise<Uint8Array> => {
    const known = pages.get(index);
    if (known) return known;
    const asked = source.read(index * pageSize, pageSize);
    pages.set(index, asked);
    // a failed request may be asked again
    asked.catch(() => pages.delete(index));
    if (pages.size > pagesKept) pages.delete(pages.keys().next().value as number);
    return asked;
  };
  return {
    ...source,
    read: async (offset, length) => {
      if (length > pageSize / 4) return source.read(offset, length);
      const first = Math.floor(offset / pageSize);
      const last = Math.floor((offset + Math.max(length, 1) - 1) / pageSize);
      const start = offset - first * pageSize;
      const head = await page(first);
      if (first === last) return head.subarray(start, start + length);
      const out = new Uint8Array(length);
      const left = head.subarray(start);
      const right = (await page(last)).subarray(0, length - left.length);
      out.set(left);
      out.set(right, left.length);
      return out.subarray(0, left.length + right.length);
    },
  };
};

const openLocal = async (path: string): Promise<ByteSource> => {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR')
      throw new Fault(`raster: ${path}; no such file, check the path`);
    throw new Fault(`raster: ${path}; cannot be opened (${reason(error)})`);
  });
  try {
    const status = await file.stat();
    if (!status.isFile()) throw new Fault(`raster: ${path}; not a file, give the path of a GeoTIFF`);
    return {
      path,
      size: status.size,
      read: async (offset, length) => {
        const wanted = Math.max(0, Math.min(length, status.size - offset));
        const buffer = new Uint8Array(wanted);
        let done = 0;
        while (done < wanted) {
          const { bytesRead } = await file.read(buffer, done, wanted - done, offset + done);
          // the file became shorter since it was opened
          if (bytesRead === 0) return buffer.subarray(0, done);
          done += bytesRead;
        }
        return buffer;
      },
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
};

interface Answer {
  status: number;
  /** Bytes of the whole file, where the server says so. */
  total: number | null;
  bytes: Uint8Array;
}

/** One request, its body included: a connection may drop in the middle of it. A string says what went wrong for now. */
const askOnce = async (url: string, from: number, length: number): Promise<Answer | string> => {
  try {
    const answer = await fetch(url, {
      headers: { range: `bytes=${from}-${from + length - 1}` },
      signal: AbortSignal.timeout(answerWithin),
    });
    const { status, headers } = answer;
    const bytes = new Uint8Array(await answer.arrayBuffer());
    if (status >= 500 || status === 429) return `the server answers ${status}`;
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers.get('content-range') ?? '');
    if (status === 206 && range && bytes.length < Number(range[2]) - Number(range[1]) + 1)
      return 'the connection ended too soon';
    return { status, total: range && range[3] !== '*' ? Number(range[3]) : null, bytes };
  } catch (error) {
    const cause = error instanceof Error && error.cause ? error.cause : error;
    return `the connection failed (${reason(cause)})`;
  }
};

/** Asks again, with growing pauses, where the network or the server is at fault and may recover. */
const ask = async (url: string, from: number, length: number): Promise<Answer> => {
  for (let attempt = 1; ; attempt++) {
    const answer = await askOnce(url, from, length);
    if (typeof answer !== 'string') return answer;
    if (attempt === attempts)
      throw new Fault(`raster: ${url}; ${answer}, asked ${attempts} times; try again later`, 1);
    await wait(200 * 2 ** attempt);
  }
};

const openRemote = async (url: string): Promise<ByteSource> => {
  let whole: Uint8Array | null = null;
  const source: ByteSource = {
    path: url,
    size: null,
    read: async (offset, length) => {
      if (whole) return whole.subarray(offset, offset + length);
      if (source.size !== null && offset >= source.size) return new Uint8Array(0);
      const { status, total, bytes } = await ask(url, offset, length);
      if (status === 404 || status === 410) throw new Fault(`raster: ${url}; the server has no such file`);
      if ([401, 403, 409].includes(status))
        throw new Fault(
          `raster: ${url}; the server answers ${status}: give an address that is signed, or fetch the file first`,
        );
      if (status === 416) return new Uint8Array(0);
      if (status < 200 || status > 299) throw new Fault(`raster: ${url}; the server answers ${status}`);
      if (status === 206) {
        source.size = total ?? source.size;
        return bytes.subarray(0, length);
      }
      // a server without byte ranges sends everything at once
      whole = bytes;
      source.size = bytes.length;
      return bytes.subarray(offset, offset + length);
    },
    close: async () => {
      whole = null;
    },
  };
  await source.read(0, 16);
  return source;
};

/**
 * The address that a remote path is read from; null for a local one. GDAL's `/vsicurl/` and the addresses of public
 * buckets are taken as the https that they stand for.
 */
export const addressOf = (path: string): string | null => {
  const plain = path.replace(/^\/vsicurl\//, '');
  if (/^https?:\/\//i.test(plain)) return plain;
  const bucket = /^(?:s3:\/\/|\/vsis3\/)([^/]+)\/(.+)$/.exec(plain);
  if (bucket) return `https://${bucket[1]}.s3.amazonaws.com/${bucket[2]}`;
  const google = /^(?:gs:\/\/|\/vsigs\/)([^/]+)\/(.+)$/.exec(plain);
  return google && `https://storage.googleapis.com/${google[1]}/${google[2]}`;
};

/**
 * Opens a local file, an http(s) URL (byte ranges where the server has them), or a file of a public bucket (`s3://`,
 * `gs://`). Throws a {@link Fault}.
 */
export const openBytes = async (path: string): Promise<ByteSource> => {
  const address = addressOf(path);
  if (address) return paged(await openRemote(address));
  if (/^\/vsi\w+\//.test(path) || /^[a-z][a-z0-9+]+:\/\//i.test(path))
    throw new Fault(`raster: ${path}; addresses of this kind are not read, give a file or an https URL`);
  return paged(await openLocal(path));
};
