import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import { differenceBins, jointColumns } from '../../src/dataset/joint-statistics.js';
import type { PatchPixels } from '../../src/dataset/patch.js';
import { polynomialTerms } from '../../src/dataset/polynomial-terms.js';
import { buildTable, type StatisticsTable, sumRows } from '../../src/dataset/statistics-table.js';
import { synthesizeDataset } from '../../src/dataset/synth/synth.js';
import type { Score } from '../../src/evaluation/tile-record.js';
import { type ExperimentInput, resolveExperiment } from '../../src/experiments/experiment.js';
import {
  exponents,
  kernelOf,
  predictLeftOut,
  type Samples,
  sampledFeature,
  someSamples,
} from '../../src/models/kernel-ridge.js';
import { cholesky, invertCholesky, solveCholesky } from '../../src/models/linear-algebra.js';
import { lowRank } from '../../src/models/low-rank.js';
import { alignPixels, type Polynomial } from '../../src/models/mapping.js';
import { multiBand } from '../../src/models/multi-band.js';
import { ignoreProgress } from '../../src/progress.js';
import { projectedGeoreference } from '../../src/raster/georeference.js';
import { writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { applyScene } from '../../src/scenes/apply-scene.js';
import { loadAligner } from '../../src/training/load-weights.js';
import { prepareData } from '../../src/training/prepare-data.js';
import { makeRun } from '../../src/training/run.js';

const random = seededRandom('kernels');
const bandMax = [3000, 2000, 4000];

/** Bands of a few thousand, some values outside [0, bandMax]. */
const imageOf = (
  width: number,
  height: number,
  target?: (x: number[], band: number) => number,
): PatchPixels => {
  const size = width * height;
  const source = Int16Array.from({ length: 3 * size }, () => random.integer(4200) - 100);
  const x = (i: number): number[] =>
    bandMax.map((max, b) => Math.min(max, Math.max(0, source[b * size + i])) / max);
  return {
    width,
    height,
    bands: 3,
    source,
    target: Int16Array.from({ length: 3 * size }, (_, k) =>
      target ? target(x(k % size), Math.floor(k / size)) : random.integer(3000),
    ),
    mask: Uint8Array.from({ length: size }, () => (random.integer(5) > 0 ? 1 : 0)),
  };
};

test('joint statistics are the sums over valid pixels that their definition reads', () => {
  const pixels = imageOf(37, 29);
  const size = 37 * 29;
  const columns = jointColumns(pixels, bandMax, { degree: 2, bins: 8 });
  const valid = Array.from({ length: size }, (_, i) => i).filter((i) => pixels.mask[i] !== 0);
  const value = (b: number, i: number) => Math.min(bandMax[b], Math.max(0, pixels.source[b * size + i]));
  const term = (bands: readonly number[], i: number) =>
    bands.reduce((product, b) => product * (value(b, i) / bandMax[b]), 1);
  for (const [t, bands] of polynomialTerms(3, 4).entries())
    expect(columns.sourceMoments[t]).toBeCloseTo(
      valid.reduce((sum, i) => sum + term(bands, i), 0),
      8,
    );
  const terms = polynomialTerms(3, 2);
  for (let b = 0; b < 3; b++)
    for (const [t, bands] of terms.entries())
      expect(columns.crossMoments[b * terms.length + t]).toBeCloseTo(
        valid.reduce((sum, i) => sum + term(bands, i) * pixels.target[b * size + i], 0),
        5,
      );
  for (const [pair, [a, b]] of [
    [0, 1],
    [0, 2],
    [1, 2],
  ].entries()) {
    const joint = new Uint32Array(64);
    const differences = new Uint32Array(differenceBins);
    for (const i of valid) {
      const bin = (band: number) => Math.min(7, Math.floor((value(band, i) * 8) / bandMax[band]));
      joint[bin(a) * 8 + bin(b)]++;
      const sum = value(a, i) + value(b, i);
      const difference = sum === 0 ? 0 : (value(a, i) - value(b, i)) / sum;
      differences[Math.min(differenceBins - 1, Math.floor(((difference + 1) / 2) * differenceBins))]++;
    }
    expect(columns.jointHistogram.subarray(pair * 64, (pair + 1) * 64)).toEqual(joint);
    expect(columns.differenceHistogram.subarray(pair * differenceBins, (pair + 1) * differenceBins)).toEqual(
      differences,
    );
  }
});

test.each([1, 2, 3] as const)(
  'multi-band regression finds a polynomial of degree %s in its moments',
  (degree) => {
    const terms = polynomialTerms(3, degree);
    const weights = Array.from({ length: 3 * terms.length }, () => 300 * random.normal());
    const exact = (x: number[], band: number): number =>
      terms.reduce(
        (sum, term, t) => sum + weights[band * terms.length + t] * term.reduce((p, b) => p * x[b], 1),
        0,
      );
    const joint = { degree, bins: 8 };
    const table = buildTable(
      [{ id: 'a/b_20200101-0-0.tif', tile: 'b', date: '20200101' }],
      [imageOf(64, 64, exact)],
      { knots: 16, bins: 16, bandMax, joint },
    );
    const data = { bands: ['a', 'b', 'c'], bandMax };
    const mapping = multiBand.fit!({
      settings: { degree },
      data,
      sums: sumRows(table, [0]),
    } as never) as Polynomial;
    // targets are rounded to whole numbers
    for (const [k, weight] of weights.entries())
      expect(Math.abs(mapping.coefficients[k] - weight)).toBeLessThan(8);
  },
);

describe('linear algebra', () => {
  const n = 150;
  const factors = Float64Array.from({ length: n * n }, () => random.normal());
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      for (let k = 0; k < n; k++) a[i * n + j] += factors[i * n + k] * factors[j * n + k];

  test('a Cholesky factor solves what it was made of', () => {
    const l = a.slice();
    expect(cholesky(l, n)).toBe(true);
    const b = Float64Array.from({ length: 2 * n }, () => random.normal());
    const x = b.slice();
    solveCholesky(l, n, x, 2);
    for (let i = 0; i < n; i++)
      for (let c = 0; c < 2; c++) {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += a[i * n + k] * x[k * 2 + c];
        expect(sum).toBeCloseTo(b[i * 2 + c], 5);
      }
  });

  test('the inverse from a Cholesky factor is that of solving for the identity, and symmetric', () => {
    const l = a.slice();
    cholesky(l, n);
    const identity = Float64Array.from({ length: n * n }, (_, at) => (at % (n + 1) === 0 ? 1 : 0));
    solveCholesky(l, n, identity, n);
    const inverse = invertCholesky(l, n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        expect(Math.abs(inverse[i * n + j] - identity[i * n + j])).toBeLessThan(
          1e-9 * Math.abs(identity[i * n + i]),
        );
        expect(inverse[i * n + j]).toBe(inverse[j * n + i]);
      }
  });

  test('exponents are those of the differences, zeros or not, and 0 of what is the same', () => {
    const values = Float64Array.from({ length: 60 }, (_, at) => (at % 3 === 0 ? random.normal() : 0));
    const samples: Samples = { count: 6, features: [sampledFeature(values, 10, 0.7)] };
    const found = exponents(samples, someSamples(samples, [0, 1, 2, 3, 4, 5]));
    for (let i = 0; i < 6; i++)
      for (let j = 0; j < 6; j++) {
        let sum = 0;
        for (let k = 0; k < 10; k++) sum += (values[i * 10 + k] - values[j * 10 + k]) ** 2;
        expect(found[i * 6 + j]).toBeCloseTo(0.7 * sum, 12);
      }
    expect(exponents(samples, samples)).toHaveLength(36);
  });

  test('a matrix that is not positive definite is said to be none', () => {
    expect(cholesky(Float64Array.of(1, 2, 2, 1), 2)).toBe(false);
    expect(cholesky(Float64Array.of(1, 1, 1, 1), 2)).toBe(false);
    expect(cholesky(Float64Array.of(Number.NaN), 1)).toBe(false);
  });

  test('a matrix of rank 3 is three basis vectors', () => {
    const [rows, width] = [40, 25];
    const part = (size: number) => Float64Array.from({ length: 3 * size }, () => random.normal());
    const [left, right] = [part(rows), part(width)];
    const m = Float64Array.from({ length: rows * width }, (_, at) =>
      [0, 1, 2].reduce(
        (sum, r) => sum + left[r * rows + Math.floor(at / width)] * right[r * width + (at % width)],
        0,
      ),
    );
    const { rank, basis, coordinates } = lowRank(m, width, 5);
    expect(rank).toBe(5);
    for (const [at, value] of m.entries()) {
      let sum = 0;
      for (let r = 0; r < rank; r++)
        sum += coordinates[Math.floor(at / width) * rank + r] * basis[r * width + (at % width)];
      expect(sum).toBeCloseTo(value, 8);
    }
  });
});

test('a prediction with samples left out is that of a regression without them', () => {
  const samples: Samples = {
    count: 30,
    features: [
      sampledFeature(
        Float64Array.from({ length: 60 }, () => random.normal()),
        2,
        0.4,
      ),
    ],
  };
  const targets = Float64Array.from({ length: 30 }, () => random.normal());
  const mean = targets.reduce((sum, value) => sum + value, 0) / 30;
  const all = kernelOf('matern', exponents(samples, samples), 1);
  const without = [[], [4], [0, 7, 29]];
  const asked = someSamples(samples, [3, 4, 7]);
  const predicted = predictLeftOut(
    all,
    kernelOf('matern', exponents(asked, samples), 1),
    targets,
    1,
    0.1,
    without,
  );
  for (const [i, left] of without.entries()) {
    const kept = targets.map((_, row) => row).filter((_, row) => !left.includes(row));
    const rest = someSamples(
      samples,
      [...kept].filter((row) => !left.includes(row)),
    );
    const rows = Array.from({ length: 30 }, (_, row) => row).filter((row) => !left.includes(row));
    const some = someSamples(samples, rows);
    expect(rest.count).toBeGreaterThan(0);
    const kernel = kernelOf('matern', exponents(some, some), 1);
    for (let k = 0; k < rows.length; k++) kernel[k * rows.length + k] += 0.1;
    const dual = Float64Array.from(rows, (row) => targets[row] - mean);
    expect(cholesky(kernel, rows.length)).toBe(true);
    solveCholesky(kernel, rows.length, dual, 1);
    const towards = kernelOf('matern', exponents(someSamples(asked, [i]), some), 1);
    expect(predicted[i][0]).toBeCloseTo(
      mean + towards.reduce((sum, value, k) => sum + value * dual[k], 0),
      10,
    );
  }
});

const kinds = ['multi-band', 'kernel-lut', 'kernel-linear', 'gp-linear'] as const;

describe('on a dataset', () => {
  let folder: string;
  let root: string;
  const quiet = { onProgress: ignoreProgress, onNote: () => {} };
  const run = (tag: string, model: object, at = root) =>
    makeRun({
      experiment: resolveExperiment({ model } as ExperimentInput),
      root: at,
      tag,
      outputDir: join(folder, 'out'),
      ...quiet,
    });
  const meanRmse = ({ bands }: Score): number =>
    bands.reduce((sum, { rmse }) => sum + rmse, 0) / bands.length;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bandalign-kernels-'));
    process.env['BANDALIGN_CACHE'] = join(folder, 'cache');
    root = join(folder, 'data');
    const size = { tiles: 60, patches: 2, size: 32, seed: 3 };
    await synthesizeDataset(root, { version: '0', ...size, progress: ignoreProgress });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.each(kinds)(
    '%s: the same bits again, finite, and better than no alignment',
    { timeout: 120_000 },
    async (kind) => {
      const first = await run(kind, { kind });
      const second = await run(`${kind}-again`, { kind });
      expect(second.result.scores).toEqual(first.result.scores);
      expect(second.result.weights!.digest).toBe(first.result.weights!.digest);
      const identity = await run(`${kind}-identity`, { kind: 'identity' });
      expect(meanRmse(first.result.scores.test)).toBeLessThan(meanRmse(identity.result.scores.test));
    },
  );

  test.each(kinds)(
    '%s aligns a scene as it aligns the patch that the scene is',
    { timeout: 120_000 },
    async (kind) => {
      const tag = `${kind}-scene`;
      const { result } = await run(tag, { kind });
      const aligner = await loadAligner(result.weights!.file);
      const data = await prepareData(aligner.experiment, root, quiet);
      const patch = data.lists.test[0];
      const pixels = structuredClone(await data.read(patch));
      pixels.mask.fill(1);
      const { width, height, source } = pixels;
      const scene = join(folder, `${kind}.tif`);
      // no value is 0, which a scene takes for nodata
      const bands = [0, 1, 2, 3].map((b) =>
        Uint16Array.from(source.subarray(b * width * height, (b + 1) * width * height), (v) =>
          Math.max(1, v),
        ),
      );
      const georeference = projectedGeoreference(32650, 4e5, 4e6, 10);
      await writeGeoTiff(scene, { width, height, bands, georeference, nodata: 0 });
      const request = { inputs: [scene], out: join(folder, `${kind}-out.tif`), boaOffset: 0 };
      await applyScene(request, { aligner, weights: result.weights!.file });
      const columns = buildTable(
        [patch],
        [{ ...pixels, source: Int16Array.from(bands.flatMap((band) => [...band])) }],
        { ...data.table, joint: data.table.joint },
      ) as StatisticsTable;
      const sums = sumRows(columns, [0]);
      const mapping = await aligner.mapping({
        histogram: Float64Array.from(columns.sourceHistogram),
        ...(sums.joint && { joint: sums.joint }),
      });
      const expected = alignPixels(mapping, null, {
        ...pixels,
        source: Int16Array.from(bands.flatMap((band) => [...band])),
      });
      const { fromFile } = await import('geotiff');
      const file = await fromFile(join(folder, `${kind}-out.tif`));
      const read = (await (await file.getImage()).readRasters()) as unknown as ArrayLike<number>[];
      file.close();
      for (let b = 0; b < 4; b++)
        for (let i = 0; i < width * height; i += 37)
          // whole numbers, of which 0 is nodata
          expect(Math.abs(read[b][i] - Math.max(1, expected[b * width * height + i]))).toBeLessThan(0.51);
      await data.close();
    },
  );

  test('one tile, fewer tiles than basis LUTs, tiles that look alike: fitted, never NaN', {
    timeout: 120_000,
  }, async () => {
    const small = join(folder, 'small');
    const size = { tiles: 4, patches: 3, size: 16, seed: 5 };
    await synthesizeDataset(small, { version: '0', ...size, progress: ignoreProgress });
    for (const list of ['train', 'val', 'test'])
      expect((await readFile(join(small, 'divide', `${list}.txt`), 'utf8')).length).toBeGreaterThan(0);
    for (const kind of kinds) {
      const { result } = await run(`small-${kind}`, { kind }, small);
      for (const { rmse } of result.scores.test.bands) expect(rmse).toBeGreaterThan(0);
    }
  });

  test('one validation tile is no reason for a cubic, which errs without bound on what it has not seen', async () => {
    const spectra = fileURLToPath(new URL('../../notebooks/data/refcube-s2a-landsat8', import.meta.url));
    const nir = async (degree: number[]): Promise<number> => {
      const { result } = await makeRun({
        experiment: resolveExperiment({
          model: { kind: 'gp-linear', degree },
          data: {
            bandMax: [12000, 12000, 12000, 12000],
            pair: { source: 'sentinel-2a.tif', target: 'landsat-8.tif', patch: [1, 250] },
          },
          split: { by: 'tile', fold: 3 },
        } as ExperimentInput),
        ...{ root: spectra, tag: `spectra-${degree.join('')}`, outputDir: join(folder, 'out'), ...quiet },
      });
      return result.scores.test.bands[3].rmse;
    };
    const [line, cubic, chosen] = [await nir([1]), await nir([3]), await nir([3, 1, 2])];
    expect(cubic).toBeGreaterThan(3 * line);
    expect(chosen).toBe(line);
  });

  test('a kernel without any feature is refused in one line', async () => {
    const none = { share: 0, quantile: 0, level: 0, joint: 0, ratio: 0 };
    await expect(run('none', { kind: 'kernel-lut', features: none })).rejects.toThrow(
      /model.features: all weights are 0; give one of them a weight/,
    );
  });

  test('weights of another model are refused, each tensor named', async () => {
    const { result } = await run('linear-for-gp', { kind: 'kernel-linear' });
    await expect(loadAligner(result.weights!.file, ['model.kind=gp-linear'])).rejects.toThrow(
      /weights|setting/,
    );
  });
});
