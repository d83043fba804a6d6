import type { ByteSource } from './byte-source.js';
import { damaged, rasterFault } from './raster-fault.js';

/** Markers of a JPEG 2000 codestream (ISO/IEC 15444-1, annex A). */
const marker = {
  soc: 0xff4f,
  siz: 0xff51,
  tlm: 0xff55,
  plm: 0xff57,
  ppm: 0xff60,
  sot: 0xff90,
  eoc: 0xffd9,
} as const;

const isContainer = 0x6a703268; // 'jp2h'
const isCodestream = 0x6a703263; // 'jp2c'

/** A JPEG 2000 image cut into its tiles, each of which decodes by itself. */
export interface Codestream {
  width: number;
  height: number;
  components: number;
  /** Bits of a sample. */
  precision: number;
  signed: boolean;
  tileWidth: number;
  tileHeight: number;
  across: number;
  down: number;
  /** Boxes before the codestream, for the georeference: raw bytes by type (`xml `, `uuid`, `asoc`). */
  boxes: { type: string; bytes: Uint8Array }[];
  /** A codestream of the tile alone, its place on the image's grid unchanged, so that it decodes to the same bits. */
  tile(column: number, row: number): Promise<Uint8Array>;
}

interface Part {
  at: number;
  length: number;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Where the codestream begins in a JP2 file, and the boxes before it; a bare codestream begins at once. */
const findCodestream = async (source: ByteSource): Promise<{ start: number; boxes: Codestream['boxes'] }> => {
  const boxes: Codestream['boxes'] = [];
  for (let at = 0; ; ) {
    const head = await source.read(at, 16);
    if (at === 0 && head.length > 2 && viewOf(head).getUint16(0) === marker.soc) return { start: 0, boxes };
    if (head.length < 8) throw damaged(source.path, 'no JPEG 2000 codestream');
    const view = viewOf(head);
    const short = view.getUint32(0);
    if (short === 1 && head.length < 16) throw damaged(source.path, 'no JPEG 2000 codestream');
    const lead = short === 1 ? 16 : 8;
    const length = short === 1 ? Number(view.getBigUint64(8)) : short;
    const type = view.getUint32(4);
    if (type === isCodestream) return { start: at + lead, boxes };
    if (at === 0 && type !== 0x6a502020) throw damaged(source.path, 'not a JPEG 2000 file');
    if (length < lead) throw damaged(source.path, `damaged: a box of ${length} bytes`);
    const name = Buffer.from(head.subarray(4, 8)).toString('latin1');
    if (type !== isContainer && length < 1 << 20)
      boxes.push({ type: name, bytes: await source.read(at + lead, length - lead) });
    at += length;
  }
};

/** Segments of the main header, without SOC, up to the first tile-part, which stands at `end`. */
const readMainHeader = async (
  source: ByteSource,
  start: number,
): Promise<{ segments: { code: number; bytes: Uint8Array }[]; end: number }> => {
  const segments: { code: number; bytes: Uint8Array }[] = [];
  let at = start + 2;
  for (;;) {
    const head = await source.read(at, 4);
    if (head.length < 4) throw damaged(source.path, 'cut short in its header');
    const code = viewOf(head).getUint16(0);
    if (code === marker.sot) return { segments, end: at };
    const length = viewOf(head).getUint16(2) + 2;
    if (code < 0xff00 || length < 4) throw damaged(source.path, `damaged: marker ${code.toString(16)}`);
    segments.push({ code, bytes: await source.read(at, length) });
    at += length;
  }
};

const readParts = async (source: ByteSource, first: number, tiles: number): Promise<Part[][]> => {
  const parts: Part[][] = Array.from({ length: tiles }, () => []);
  for (let at = first; ; ) {
    const head = await source.read(at, 12);
    if (head.length < 2) break;
    const view = viewOf(head);
    const code = view.getUint16(0);
    if (code === marker.eoc) break;
    if (code !== marker.sot || head.length < 12) throw damaged(source.path, `damaged at byte ${at}`);
    const tile = view.getUint16(4);
    const stated = view.getUint32(6);
    // 0: up to the end of the codestream
    const length = stated === 0 ? (source.size ?? at) - 2 - at : stated;
    if (tile >= tiles || length < 14) throw damaged(source.path, `damaged at byte ${at}`);
    if (source.size !== null && at + length > source.size)
      throw damaged(
        source.path,
        `cut short: tile ${tile + 1} of ${tiles} ends at byte ${at + length} of ${source.size}`,
      );
    parts[tile].push({ at, length });
    if (stated === 0) break;
    at += length;
  }
  const missing = parts.findIndex((list) => list.length === 0);
  if (missing >= 0) throw damaged(source.path, `cut short: tile ${missing + 1} of ${tiles} is missing`);
  return parts;
};

/**
 * Finds the tiles of a JP2 file or a bare codestream. Tiles are coded independently of one another, so that a
 * codestream with the main header, an image area cut down to one tile and that tile's parts is a whole image: memory
 * stays flat, which decoding a 10 980 × 10 980 band in one piece does not allow.
 */
export const openCodestream = async (source: ByteSource): Promise<Codestream> => {
  const { start, boxes } = await findCodestream(source);
  const { segments, end } = await readMainHeader(source, start);
  const siz = segments.find(({ code }) => code === marker.siz)?.bytes;
  if (!siz || siz.length < 41) throw damaged(source.path, 'damaged: it lacks its size');
  if (segments.some(({ code }) => code === marker.ppm))
    throw rasterFault(source.path, 'packed packet headers', 'write it as GeoTIFF');
  const view = viewOf(siz);
  // marker, length, capabilities: then eight numbers of 32 bits
  const [x1, y1, x0, y0, tileWidth, tileHeight, tileX0, tileY0] = Array.from({ length: 8 }, (_, k) =>
    view.getUint32(6 + 4 * k),
  );
  const components = view.getUint16(38);
  const depth = siz[40];
  for (let component = 0; component < components; component++) {
    const at = 40 + 3 * component;
    if (at + 2 >= siz.length) throw damaged(source.path, `damaged: ${components} components`);
    if (siz[at] !== depth || siz[at + 1] !== 1 || siz[at + 2] !== 1)
      throw rasterFault(source.path, 'components of different size or depth', 'write it as GeoTIFF');
  }
  if (tileWidth === 0 || tileHeight === 0 || x1 <= x0 || y1 <= y0)
    throw damaged(source.path, 'damaged: its size is nothing');
  if (x0 !== 0 || y0 !== 0 || tileX0 !== 0 || tileY0 !== 0)
    throw rasterFault(source.path, 'an image that does not begin at 0, 0', 'write it as GeoTIFF');
  const across = Math.ceil(x1 / tileWidth);
  const down = Math.ceil(y1 / tileHeight);
  // tiles are counted in 16 bits
  if (across * down > 65535)
    throw damaged(source.path, `damaged: ${x1} × ${y1} pixels in ${across * down} tiles`);
  const parts = await readParts(source, end, across * down);
  // lengths of tile-parts and packets of the whole image would be wrong for one tile, and are optional
  const kept = segments.filter(({ code }) => code !== marker.tlm && code !== marker.plm);
  return {
    width: x1,
    height: y1,
    components,
    precision: (depth & 0x7f) + 1,
    signed: depth > 0x7f,
    tileWidth,
    tileHeight,
    across,
    down,
    boxes,
    tile: async (column, row) => {
      const pieces: Uint8Array[] = [Uint8Array.of(0xff, 0x4f)];
      for (const { code, bytes } of kept) {
        const copy = bytes.slice();
        if (code === marker.siz) {
          const area = viewOf(copy);
          area.setUint32(6, Math.min(x1, (column + 1) * tileWidth));
          area.setUint32(10, Math.min(y1, (row + 1) * tileHeight));
          for (const at of [14, 30]) area.setUint32(at, column * tileWidth);
          for (const at of [18, 34]) area.setUint32(at, row * tileHeight);
        }
        pieces.push(copy);
      }
      for (const { at, length } of parts[row * across + column]) {
        const bytes = (await source.read(at, length)).slice();
        if (bytes.length < length)
          throw damaged(source.path, `cut short in tile ${row * across + column + 1}`);
        viewOf(bytes).setUint16(4, 0);
        viewOf(bytes).setUint32(6, length);
        pieces.push(bytes);
      }
      pieces.push(Uint8Array.of(0xff, 0xd9));
      return Buffer.concat(pieces);
    },
  };
};
