// A dataset for measuring, in the paper's layout: 512 × 512 patches, 4 bands int16, DEFLATE GeoTIFFs as GDAL writes them by
// default (strips, pixel-interleaved, no predictor). Fields, a smooth slope and sensor noise make it about as compressible as
// a real scene; what it shows matters to no timing.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeGeoTiff } from '../dist/raster/write-geotiff.js';

const fullEdge = 512;
export const bandMax = [3000, 3000, 4000, 6500];
/** What statistics of the published model are counted with. */
export const shapeOf = () => ({ knots: 256, bins: 256, bandMax });
const means = [500, 750, 900, 2600];
const contrast = [120, 180, 300, 700];

/** Numerical Recipes' linear congruential generator: fast, and good enough for noise. */
const generator = (seed) => {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
};

/** Source, target and mask of patch `number`, as decoded: [bands·pixels], [bands·pixels], [pixels]. */
export const drawPixels = (number, edge = fullEdge) => {
  const random = generator(number + 1);
  const size = edge * edge;
  const source = new Int16Array(4 * size);
  const target = new Int16Array(4 * size);
  const mask = new Uint8Array(size).fill(1);
  const field = 24 + Math.floor(40 * random());
  const across = Math.ceil(edge / field);
  const fields = Float32Array.from({ length: across * across }, () => random() + random() - 1);
  const slope = random() - 0.5;
  for (let band = 0; band < 4; band++) {
    const [shift, gain] = [40 * (random() - 0.5), 0.94 + 0.1 * random()];
    for (let i = 0; i < size; i++) {
      const [x, y] = [i % edge, Math.floor(i / edge)];
      const ground =
        fields[Math.floor(y / field) * across + Math.floor(x / field)] + (slope * (x - y)) / edge;
      const value = means[band] + contrast[band] * ground;
      const at = band * size + i;
      source[at] = value + 30 * (random() + random() - 1);
      target[at] = value * gain + shift + 40 * (random() + random() - 1);
    }
  }
  // a cloud over the upper left corner of some
  const clouded = Math.floor(edge * 0.4 * random());
  for (let y = 0; y < clouded; y++) mask.fill(0, y * edge, y * edge + clouded);
  return { width: edge, height: edge, bands: 4, source, target, mask };
};

const bandsOf = (values, edge) =>
  Array.from({ length: values.length / edge ** 2 }, (_, band) =>
    values.subarray(band * edge ** 2, (band + 1) * edge ** 2),
  );

const idOf = (number) => {
  const place = String(number % 169);
  const tile = `31T${'ABCDEFGHJKLMNPQRSTUV'[Math.floor(number / 4) % 20]}${'ABCDEFGH'[Math.floor(number / 80) % 8]}`;
  return `Bench/${tile}_20200401-${String(Math.floor(place / 13)).padStart(2, '0')}-${String(place % 13).padStart(2, '0')}.tif`;
};

/**
 * Writes `count` training patches (and two each of validation and test) under `root`.
 * @returns ids of the training patches and bytes written
 */
export const makeData = async (root, count, edge = fullEdge) => {
  const ids = Array.from({ length: count + 4 }, (_, i) => idOf(i));
  for (const folder of ['S2', 'GF1', 'mask']) mkdirSync(join(root, 'Bench', folder), { recursive: true });
  mkdirSync(join(root, 'divide'));
  const lists = { train: ids.slice(0, count), val: ids.slice(count, count + 2), test: ids.slice(count + 2) };
  for (const [name, list] of Object.entries(lists))
    writeFileSync(join(root, 'divide', `${name}.txt`), `${list.join('\n')}\n`);
  let bytes = 0;
  for (const [number, id] of ids.entries()) {
    const { source, target, mask } = drawPixels(number, edge);
    const images = { S2: bandsOf(source, edge), GF1: bandsOf(target, edge), mask: [mask] };
    for (const [folder, bands] of Object.entries(images)) {
      const data = await encodeGeoTiff({ width: edge, height: edge, bands, predictor: false, level: 6 });
      writeFileSync(join(root, 'Bench', folder, id.split('/')[1]), data);
      bytes += data.length;
    }
  }
  return { ids: lists.train, bytes };
};
