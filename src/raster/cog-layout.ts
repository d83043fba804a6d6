import type { Compression } from './tiff-compression.js';
import { directorySize, encodeDirectory, encodeHeader, type TiffField, tags } from './tiff-directory.js';
import { datasetFields, imageFields, type RasterInfo } from './tiff-fields.js';

/** One resolution of the pyramid: its size, and the compressed bytes of its tiles row by row; 0 for one that is left out. */
export interface CogLevel {
  width: number;
  height: number;
  counts: readonly number[];
}

interface Layout {
  compression: Compression;
  predict: boolean;
  tile: number;
}

/** What GDAL's COG driver promises its reader, so that a tile costs one request (GDAL, COG driver, "Tile data leader and trailer"). */
const promises =
  'LAYOUT=IFDS_BEFORE_DATA\nBLOCK_ORDER=ROW_MAJOR\nBLOCK_LEADER=SIZE_AS_UINT4\n' +
  'BLOCK_TRAILER=LAST_4_BYTES_REPEATED\nKNOWN_INCOMPATIBLE_EDITION=NO\n ';
const ghost = `GDAL_STRUCTURAL_METADATA_SIZE=${String(promises.length).padStart(6, '0')} bytes\n${promises}`;

const frame = 8;
const even = (position: number): number => position + (position & 1);
const aligned = (position: number): number => Math.ceil(position / 16) * 16;

/** Where tile data begin behind `length` bytes of header and directories. */
export const cogLead = (length: number): number => aligned(length);

const levelFields = (
  info: RasterInfo,
  levels: readonly CogLevel[],
  index: number,
  { compression, predict, tile }: Layout,
  offsets: readonly number[],
  big: boolean,
): TiffField[] => {
  const { width, height, counts } = levels[index];
  return [
    ...imageFields(info, width, height, compression, predict),
    ...(index === 0
      ? datasetFields(info)
      : [{ tag: tags.newSubfileType, type: 'long', values: [1] } as const]),
    { tag: tags.tileWidth, type: 'short', values: [tile] },
    { tag: tags.tileLength, type: 'short', values: [tile] },
    { tag: tags.tileOffsets, type: big ? 'long8' : 'long', values: offsets },
    { tag: tags.tileByteCounts, type: 'long', values: counts },
  ];
};

/**
 * Header, GDAL's promises and all directories, full resolution first, then the overviews by falling size; tile data
 * follow in the opposite order, each tile framed by its size and its last four bytes.
 *
 * @param levels full resolution first
 * @param forceBig BigTIFF, whatever the size; by default where the file ends beyond 4 GB
 */
export const cogDirectories = (
  info: RasterInfo,
  levels: readonly CogLevel[],
  layout: Layout,
  forceBig = false,
): { directories: Uint8Array; end: number } => {
  const big = forceBig;
  const start = (big ? 16 : 8) + ghost.length;
  const sizes = levels.map((level, index) =>
    directorySize(levelFields(info, levels, index, layout, level.counts, big), big),
  );
  const places: number[] = [];
  let position = even(start);
  for (const size of sizes) {
    places.push(position);
    position = even(position + size);
  }
  const length = position;
  let at = cogLead(length);
  const offsets: number[][] = levels.map(() => []);
  for (let index = levels.length - 1; index >= 0; index--)
    for (const count of levels[index].counts) {
      // a sparse file has no place for a tile without data
      offsets[index].push(count === 0 ? 0 : at + 4);
      if (count > 0) at += count + frame;
    }
  if (!big && at > 0xffffffff) return cogDirectories(info, levels, layout, true);
  const directories = new Uint8Array(length);
  directories.set(encodeHeader(places[0], big));
  directories.set(Buffer.from(ghost, 'latin1'), big ? 16 : 8);
  levels.forEach((_, index) => {
    const fields = levelFields(info, levels, index, layout, offsets[index], big);
    directories.set(encodeDirectory(fields, places[index], places[index + 1] ?? 0, big), places[index]);
  });
  return { directories, end: at };
};
