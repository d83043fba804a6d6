import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withRaster } from '../../src/raster/read.js';
import { faultsOf } from '../dataset/dataset-on-disk.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const [long, short] = [4, 3];
type Tags = Record<number, [type: number, count: number, value: number] | null>;

/** A TIFF of 8 × 8 pixels in one strip, with tags changed: tag → type, count, value; null for none. */
const tiff = (changes: Tags, next = 0): Buffer => {
  const tags: Tags = {
    256: [long, 1, 8],
    257: [long, 1, 8],
    258: [short, 1, 8],
    259: [short, 1, 1],
    262: [short, 1, 1],
    273: [long, 1, 400],
    277: [short, 1, 1],
    278: [long, 1, 8],
    279: [long, 1, 64],
    ...changes,
  };
  const bytes = Buffer.alloc(464);
  bytes.write('II*\0');
  bytes.writeUInt32LE(8, 4);
  const entries = Object.entries(tags).flatMap(([tag, field]) => (field ? [[Number(tag), ...field]] : []));
  bytes.writeUInt16LE(entries.length, 8);
  entries.forEach(([tag, type, count, value], index) => {
    const at = 10 + 12 * index;
    bytes.writeUInt16LE(tag, at);
    bytes.writeUInt16LE(type, at + 2);
    bytes.writeUInt32LE(count, at + 4);
    bytes.writeUInt32LE(value, at + 8);
  });
  bytes.writeUInt32LE(next, 10 + 12 * entries.length);
  return bytes;
};

/** The JPEG 2000 of 2 × 2 tiles and more, with a field of its SIZ marker changed: bytes after the marker's code. */
const jp2 = (changes: Record<number, number>, width = 4): Buffer => {
  const bytes = readFileSync(join(import.meta.dirname, '../fixtures/raster/jpeg2000-tiles-beyond-count.jp2'));
  const siz = bytes.indexOf(Buffer.from('ff51', 'hex'));
  for (const [at, value] of Object.entries(changes)) bytes.writeUIntBE(value, siz + 2 + Number(at), width);
  return bytes;
};

const huge = 0xff_ff_ff_f0;
test.each([
  ['a TIFF of four thousand million columns', tiff({ 256: [long, 1, huge] })],
  ['a TIFF of as many rows in strips of one', tiff({ 257: [long, 1, huge], 278: [long, 1, 1] })],
  ['a TIFF of as many rows in one strip', tiff({ 257: [long, 1, huge], 278: [long, 1, huge] })],
  ['a TIFF of 65 535 samples', tiff({ 277: [short, 1, 65_535] })],
  ['a TIFF whose offsets are more than its bytes', tiff({ 273: [long, huge, 400], 279: [long, huge, 400] })],
  [
    'a TIFF of tiles larger than memory',
    tiff({
      273: null,
      278: null,
      279: null,
      322: [long, 1, huge],
      323: [long, 1, huge],
      324: [long, 1, 400],
      325: [long, 1, 64],
    }),
  ],
  ['a JPEG 2000 of that size', jp2({ 4: huge, 8: huge })],
  ['a JPEG 2000 in tiles of one pixel', jp2({ 4: huge, 8: huge, 20: 1, 24: 1 })],
  ['a JPEG 2000 of 65 535 components', jp2({ 36: 65_535 }, 2)],
])('%s is refused in one line, within 2 s and 512 MB', async (_, bytes) => {
  const path = join(folder, 'bomb.tif');
  writeFileSync(path, bytes);
  const { user, system } = process.cpuUsage();
  const rss = process.memoryUsage.rss();
  const faults = await faultsOf(() =>
    withRaster(path, async (raster) => {
      await raster.read();
    }),
  );
  const used = process.cpuUsage({ user, system });
  expect(faults).toEqual([expect.stringMatching(/bomb\.tif; [ -~×]+$/)]);
  expect((used.user + used.system) / 1e6).toBeLessThan(2);
  expect(process.memoryUsage.rss() - rss).toBeLessThan(512e6);
});

test('directories that lead back to the first are not followed without end', { timeout: 5000 }, async () => {
  const path = join(folder, 'loop.tif');
  writeFileSync(path, tiff({}, 8));
  const told = await faultsOf(() => withRaster(path, async (raster) => expect(raster.width).toBe(8)));
  for (const line of told) expect(line).toMatch(/loop\.tif; /);
});
