import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  alignPixels,
  applyScene,
  comparedModels,
  compareRuns,
  comparisonTable,
  defineMetric,
  defineModel,
  finishedRuns,
  fitClosedForm,
  ignoreProgress,
  lineTable,
  loadAligner,
  loadExperiment,
  lutsWithHistograms,
  markdownTable,
  prepareData,
  projectedGeoreference,
  renderFigure,
  resolveExperiment,
  runExperiment,
  seriesReport,
  synthesizeDataset,
  testWeights,
  tileKey,
  tileReport,
  typicalTile,
  writeGeoTiff,
  z,
} from 'bandalign';
import { afterAll, beforeAll, expect, test } from 'vitest';

// What a researcher does with the library, each in a few lines; everything is imported by the package's name.

let folder: string;
let root: string;
let outputDir: string;
const quiet = { onProgress: ignoreProgress, onNote: () => {} };
const run = (experiment: Parameters<typeof runExperiment>[0]['experiment'], tag: string) =>
  runExperiment({ experiment, root, tag, outputDir, resume: true, ...quiet });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-guide-'));
  process.env['BANDALIGN_CACHE'] = join(folder, 'cache');
  [root, outputDir] = [join(folder, 'data'), join(folder, 'outputs')];
  await synthesizeDataset(root, {
    version: '0',
    tiles: 12,
    patches: 2,
    size: 48,
    seed: 3,
    progress: ignoreProgress,
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('load data: lists, histograms and statistics, read once', async () => {
  const data = await prepareData(resolveExperiment({}), root, quiet);
  const [patch] = data.lists.train;
  expect(data.tileHistogram(tileKey(patch))).toHaveLength(4 * 256);
  expect(data.sum(data.lists.train).bands.map(({ n }) => n > 0)).toEqual([true, true, true, true]);
  await data.close();
});

test('fit a closed form: the global LUT of the training pixels', async () => {
  const experiment = await loadExperiment('global-lut');
  const data = await prepareData(experiment, root, quiet);
  const mapping = fitClosedForm(experiment, data.sum(data.lists.train));
  expect(mapping).toMatchObject({ form: 'lut', knots: 256 });
  await data.close();
});

test('train a network, and find its scores again from its weights', async () => {
  const experiment = await loadExperiment('demo/unet-lut', ['train.epochs=2', 'model.unet.width=4']);
  const { result } = await run(experiment, 'unet');
  const { score } = await testWeights({
    weights: result.weights!.file,
    root,
    split: 'test',
    words: [],
    ...quiet,
  });
  expect(score).toEqual(result.scores.test);
});

test('align a patch with fitted weights', async () => {
  const aligner = await loadAligner(join(outputDir, 'unet/checkpoints/best.safetensors'));
  const data = await prepareData(aligner.experiment, root, quiet);
  const [patch] = data.lists.test;
  const pixels = await data.read(patch);
  const mapping = await aligner.mapping(data.tile(tileKey(patch)));
  expect(alignPixels(mapping, aligner.conv, pixels)).toHaveLength(pixels.source.length);
  await data.close();
});

test('compare runs in a table with intervals', async () => {
  for (const name of ['global-lut', 'oracle']) await run(await loadExperiment(name), name);
  const runs = await finishedRuns(['global-lut', 'unet', 'oracle'], outputDir);
  const table = comparisonTable('test tiles', comparedModels(runs), runs[0].experiment.data.bands);
  expect(markdownTable(table)).toMatch(/\| global-lut \|.*±/);
});

test('see how runs compare, band by band and region by region', async () => {
  const tags = ['global-lut', 'unet', 'oracle'];
  const { table, gaps, regions } = compareRuns(await finishedRuns(tags, outputDir), { draws: 100 });
  expect(table.rows).toHaveLength(3);
  expect(gaps.map(({ model }) => model)).toEqual(['unet']);
  expect(new Set(regions.map(({ model }) => model))).toEqual(new Set(tags));
});

test('publish the lines that a run fitted', async () => {
  await run(await loadExperiment('linear'), 'linear');
  const [linear, unet] = await finishedRuns(['linear', 'unet'], outputDir);
  const { columns, rows } = await lineTable([linear]);
  expect(columns.map(({ label }) => label)).toEqual(['run', 'blue', 'green', 'red', 'nir']);
  const data = await prepareData(linear.experiment, root, quiet);
  const fitted = fitClosedForm(linear.experiment, data.sum(data.lists.train));
  await data.close();
  const line = (band: number): string => {
    if (fitted.form !== 'affine') throw new Error(fitted.form);
    const offset = fitted.intercept[band] / 10_000;
    return `${fitted.slope[band].toFixed(4)} ${offset < 0 ? '−' : '+'} ${Math.abs(offset).toFixed(4)}`;
  };
  expect(rows.map(({ cells }) => cells)).toEqual([['linear', ...[0, 1, 2, 3].map(line)]]);
  await expect(lineTable([unet])).rejects.toThrow('run: unet; its model, unet-lut, has no line');
});

test('look at what alignment does to a tile', async () => {
  const aligner = await loadAligner(join(outputDir, 'unet/checkpoints/best.safetensors'));
  const data = await prepareData(aligner.experiment, root, quiet);
  const tile = await typicalTile(data, aligner);
  const report = await tileReport(data, aligner, tile, { note: 'synthetic' });
  expect(report.patches).toHaveLength(2);
  for (const figure of [
    report.pictures,
    report.histograms,
    report.luts!,
    report.scatter,
    report.beforeAfter('red'),
  ])
    expect(JSON.stringify(figure.layout)).toContain(`tile ${tile} (synthetic)`);
  await expect(tileReport(data, aligner, 'nowhere')).rejects.toThrow(/tile: nowhere; take one of the lists/);
  await data.close();
});

test('align one place’s series of two sensors', () => {
  const days = [1, 6, 11, 16, 21];
  const target = { days, values: [400, 600, 700, 2500].map((level) => days.map((day) => level + 10 * day)) };
  const source = { days, values: target.values.map((band) => band.map((value) => 0.9 * value + 50)) };
  const { rows, consistency } = seriesReport(source, target);
  expect(rows.map(({ quantity }) => quantity)).toEqual([
    'NDVI',
    'blue (×10⁴)',
    'green (×10⁴)',
    'red (×10⁴)',
    'NIR (×10⁴)',
  ]);
  expect(consistency.before.bands[0].discontinuity.rmse).toBeGreaterThan(1);
  // a line undoes a line
  expect(consistency.after.bands[0].discontinuity.rmse).toBeCloseTo(0, 6);
});

test('draw what a model made of a tile', async () => {
  const aligner = await loadAligner(join(outputDir, 'unet/checkpoints/best.safetensors'));
  const { data, model } = aligner.experiment;
  const prepared = await prepareData(aligner.experiment, root, quiet);
  const tile = tileKey(prepared.lists.test[0]);
  const histogram = prepared.tileHistogram(tile);
  const lut = await aligner.mapping(prepared.tile(tile));
  if (lut.form !== 'lut') throw new Error('a UNet-LUT gives LUTs');
  const all = fitClosedForm(
    resolveExperiment({ model: { kind: 'global-lut', knots: model.knots } }),
    prepared.sum(prepared.lists.train),
  );
  const figure = lutsWithHistograms(
    [{ label: tile, histogram, lut }],
    { name: 'all tiles', mapping: all },
    data.bands,
  );
  const svg = await renderFigure(figure, { format: 'svg' });
  expect(Buffer.from(svg).toString()).toMatch(/^<svg/);
  await prepared.close();
});

test('define a model of one’s own in a script or a notebook', async () => {
  const offset = defineModel({
    kind: 'guide-offset',
    settings: { by: z.number().default(0) },
    fit: ({ settings, data }) => ({
      form: 'affine',
      slope: data.bands.map(() => 1),
      intercept: data.bands.map(() => settings.by),
    }),
  });
  const experiment = resolveExperiment({ model: offset.configure({ by: 25 }) });
  const { result } = await run(experiment, 'offset');
  expect(result).toMatchObject({ kind: 'guide-offset', parameters: 8 });
});

test('define a metric of one’s own: it is scored like any other', async () => {
  defineMetric({
    name: 'guide-cv',
    label: 'CV',
    digits: 3,
    best: 'low',
    of: ({ n, squared, target }) => Math.sqrt(squared / n) / (target / n),
  });
  const { result } = await run(await loadExperiment('identity'), 'identity');
  expect(result.scores.test.bands[0]).toHaveProperty('guide-cv');
});

test('align a whole scene to a cloud-optimised GeoTIFF', async () => {
  const scene = join(folder, 'scene.tif');
  await writeGeoTiff(scene, {
    width: 64,
    height: 64,
    bands: [400, 600, 700, 2500].map((level) =>
      Uint16Array.from({ length: 4096 }, (_, i) => level + (i % 300)),
    ),
    georeference: projectedGeoreference(32650, 500000, 4400000, 16),
  });
  const weights = join(outputDir, 'unet/checkpoints/best.safetensors');
  const { width, quality } = await applyScene(
    { inputs: [scene], out: join(folder, 'aligned.tif'), boaOffset: 0 },
    { aligner: await loadAligner(weights), weights },
  );
  expect(width).toBe(64);
  expect(quality.bands).toHaveLength(4);
});
