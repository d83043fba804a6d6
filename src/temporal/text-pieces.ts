import { open } from 'node:fs/promises';
import { Fault } from '../fault.js';

const pieceBytes = 1 << 16;

/** UTF-8, or the encoding of Chinese Windows where the first line reads as Chinese in it; null for neither. */
const decoderOf = (bytes: Uint8Array): TextDecoder | null => {
  for (const encoding of ['utf-8', 'gb18030'])
    try {
      // in a stream, as the last character may be cut
      const text = new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true });
      if (encoding === 'utf-8' || /\p{Script=Han}/u.test(text.split('\n', 1)[0]))
        return new TextDecoder(encoding, { fatal: true });
    } catch {
      // the next one
    }
  return null;
};

/**
 * The text of a file in pieces of 64 KB, so that a catalog of any size is never in memory whole; a byte order mark is
 * left out.
 * @throws Fault for a file that is no text
 */
export async function* textPieces(path: string): AsyncGenerator<string, void, undefined> {
  const file = await open(path);
  try {
    const bytes = Buffer.alloc(pieceBytes);
    let decoder: TextDecoder | null = null;
    for (;;) {
      const { bytesRead } = await file.read(bytes, 0, pieceBytes);
      const read = bytes.subarray(0, bytesRead);
      decoder ??= decoderOf(read);
      let text: string;
      try {
        if (decoder === null) throw new TypeError('unknown encoding');
        text = decoder.decode(read, { stream: bytesRead > 0 });
      } catch {
        throw new Fault(`${path}: not UTF-8 text; give STAC JSON, CSV or a list of product names`);
      }
      if (text !== '') yield text;
      if (bytesRead === 0) return;
    }
  } finally {
    await file.close();
  }
}

/** Pieces as one text. */
export const joinPieces = async (pieces: AsyncIterable<string>): Promise<string> => {
  const parts: string[] = [];
  for await (const piece of pieces) parts.push(piece);
  return parts.join('');
};
