import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { applyList } from '../../src/scenes/apply-list.js';
import { readSceneList } from '../../src/scenes/scene-list.js';
import { handMadeAligner } from './hand-made-aligner.js';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
  for (const name of ['a', 'b', 'c']) {
    const band = (k: number) => Uint16Array.from({ length: 900 }, (_, i) => 400 * k + ((i * 7) % 900));
    await writeGeoTiff(join(folder, `${name}.tif`), {
      width: 30,
      height: 30,
      bands: [1, 2, 3, 5].map(band),
      nodata: 0,
    });
  }
  writeFileSync(join(folder, 'broken.tif'), 'no tiff');
});
afterAll(() => rmSync(folder, { recursive: true }));

const list = (text: string): string => {
  const path = join(folder, 'scenes.txt');
  writeFileSync(path, text);
  return path;
};

describe('readSceneList', () => {
  test('paths, JSON lines, comments; paths from the list’s folder', async () => {
    const path = list(
      '# scenes\n\na.tif\n{"inputs": "b.tif", "boaOffset": -1000, "out": "x.tif", "mask": "m.tif"}\nhttps://e.org/c.tif?k=1\n',
    );
    const requests = await readSceneList(path, '/out', { boaOffset: 0 });
    expect(requests).toEqual([
      { inputs: [join(folder, 'a.tif')], out: '/out/a_aligned.tif', boaOffset: 0 },
      { inputs: [join(folder, 'b.tif')], out: '/out/x.tif', boaOffset: -1000, mask: join(folder, 'm.tif') },
      { inputs: ['https://e.org/c.tif?k=1'], out: '/out/c_aligned.tif', boaOffset: 0 },
    ]);
  });

  test('names every bad line and outputs that clash', async () => {
    const path = list('a.tif\n{"inputs": 3}\n{"inputs": "b.tif", "boa": 1}\n{oops\nsub/a.tif\n');
    const work = readSceneList(path, '/out', {});
    await expect(work).rejects.toMatchObject({
      faults: [
        expect.stringMatching(/line 2 inputs; /),
        expect.stringMatching(/line 3 ; unrecognized key/),
        expect.stringMatching(/line 4; not JSON/),
        expect.stringMatching(/a.tif and .*sub\/a.tif would both be \/out\/a_aligned.tif/),
      ],
    });
    await expect(readSceneList(list('# none\n'), '/out', {})).rejects.toThrow('names no scene');
  });
});

test('one failure stops nothing; a second run keeps what is done and tries the rest', async () => {
  const out = join(folder, 'out');
  const path = list('a.tif\nbroken.tif\nb.tif\nc.tif\n');
  const context = { aligner: handMadeAligner(), weights: 'w.safetensors', jobs: 2 };
  const run = async () => {
    const results = await applyList(await readSceneList(path, out, { boaOffset: 0 }), context);
    return results.map(({ status }) => status);
  };
  expect(await run()).toEqual(['done', 'failed', 'done', 'done']);
  expect(await run()).toEqual(['kept', 'failed', 'kept', 'kept']);
  // a changed input, a damaged output and other weights are done again
  utimesSync(join(folder, 'a.tif'), 1, 1);
  writeFileSync(join(out, 'b_aligned.tif'), 'cut');
  expect(await run()).toEqual(['done', 'failed', 'done', 'kept']);
  context.aligner = handMadeAligner({ weightsDigest: 'cd'.repeat(32) });
  expect(await run()).toEqual(['done', 'failed', 'done', 'done']);
});
