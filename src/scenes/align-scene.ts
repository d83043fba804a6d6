import type { Aligner } from '../experiments/aligner.js';
import { compileMapping, type Mapping } from '../models/mapping.js';
import type { OnProgress } from '../progress.js';
import { colourOf, type RasterInfo } from '../raster/tiff-fields.js';
import { type CogOptions, type CogWriter, createCog } from '../raster/write-cog.js';
import { type AlignedRows, alignByConv, alignByPolynomial, alignByTable } from './align-rows.js';
import type { ValueCounts } from './count-values.js';
import type { Scene } from './open-scene.js';
import { outputCounts } from './output-counts.js';
import { mappedCodes, type OutputType, outputArrays, storedCodes, storedValue } from './output-values.js';
import type { SceneOutputs } from './scene-outputs.js';
import { fewerRows, sceneRows } from './scene-rows.js';
import { noEstimate } from './uncertainty.js';

/** What the second pass needs. */
export interface AlignmentPlan {
  scene: Scene;
  counts: ValueCounts;
  mapping: Mapping;
  conv: Aligner['conv'];
  type: OutputType;
  /** Rows read at once, and the edge of the conv module's windows; the result depends on neither. */
  step: number;
  window: number;
  outputs: SceneOutputs;
  /** Expected error of every code of each band, where a COG of it is asked for. */
  uncertainty: Uint16Array[] | null;
  /** Items for GDAL's metadata. */
  metadata: Record<string, string>;
  cog: Pick<CogOptions, 'compression' | 'level'>;
  onProgress: OnProgress;
  signal?: AbortSignal;
}

/** Bytes of the files written, and counts of the aligned values. */
export interface Alignment {
  cog: number;
  mask: number | null;
  uncertainty: number | null;
  after: Float64Array[];
}

const infoOf = ({ scene, type, metadata }: AlignmentPlan): RasterInfo => ({
  width: scene.width,
  height: scene.height,
  type,
  bands: scene.bands.map(({ name }) => ({ name, colour: colourOf(name), scale: 1e-4, offset: 0 })),
  georeference: scene.georeference,
  nodata: nodataOf(scene, type),
  metadata,
});

/** NaN pixels of a float scene without a nodata tag stay NaN, undeclared. */
const nodataOf = (scene: Scene, type: OutputType): number | null =>
  scene.nodata !== null && type === 'float32' ? Math.fround(scene.nodata) : scene.nodata;

/** Rows that are computed and handed to the writers at once. */
const rowsComputed = 128;

/** @param mapped what each code becomes; null for a polynomial of all bands */
const alignedRows = (
  plan: AlignmentPlan,
  mapped: readonly Float32Array[] | null,
): AsyncGenerator<AlignedRows, void, void> => {
  const { scene, mapping, conv, type, step, window, signal } = plan;
  const codings = scene.bands.map(({ coding }) => coding);
  const nodata = nodataOf(scene, type);
  const source = fewerRows(sceneRows(scene, step, signal), scene.width, rowsComputed);
  const storing = {
    store: storedValue(type, nodata),
    nodata: nodata ?? Number.NaN,
    allocate: (length: number) => new outputArrays[type](length),
  };
  const joint = mapped ? null : compileMapping(mapping);
  if (conv === null)
    return joint
      ? alignByPolynomial(source, joint, codings, storing)
      : alignByTable(source, storedCodes(mapped!, codings, type, nodata));
  return alignByConv(source, {
    ...storing,
    width: scene.width,
    height: scene.height,
    window,
    module: conv,
    tables: mapped ?? codings.map(({ values }) => values),
    joint,
    codings,
  });
};

/** The second pass: aligns a scene and writes its COG, its mask where there is one, and its uncertainty if asked. */
export const alignScene = async (plan: AlignmentPlan): Promise<Alignment> => {
  const { scene, counts, mapping, conv, outputs, uncertainty, cog: options, onProgress } = plan;
  const { width, height, georeference } = scene;
  const codings = scene.bands.map(({ coding }) => coding);
  const mapped = mapping.form === 'polynomial' ? null : mappedCodes(mapping, codings);
  const after = outputCounts(codings.length);
  const writers: CogWriter[] = [];
  const open = async (path: string, info: RasterInfo, more: CogOptions = {}): Promise<CogWriter> => {
    const writer = await createCog(path, info, { ...options, ...more });
    writers.push(writer);
    return writer;
  };
  try {
    const cog = await open(outputs.cog, infoOf(plan));
    const common = { width, height, georeference, metadata: plan.metadata };
    const mask =
      scene.masks.length === 0
        ? null
        : await open(
            outputs.mask,
            { ...common, type: 'uint8', bands: [{ name: 'valid' }], nodata: null },
            { resampling: 'mode' },
          );
    const errors =
      uncertainty &&
      (await open(outputs.uncertainty, {
        ...common,
        type: 'uint16',
        bands: scene.bands.map(({ name }) => ({ name: `${name} expected error`, scale: 1e-4, offset: 0 })),
        nodata: noEstimate,
      }));
    for await (const { y, rows, bands, valid, codes, missing } of alignedRows(plan, mapped)) {
      await cog.write(bands, rows);
      if (mask && valid) await mask.write([valid], rows);
      if (errors && uncertainty)
        await errors.write(
          codes.map((band, b) =>
            band.map((code, i) => (missing?.[i] === 1 ? noEstimate : uncertainty[b][code])),
          ),
          rows,
        );
      // where each code has its value, the counts of the input say it all
      if (conv || !mapped)
        bands.forEach((band, b) => {
          after.addPixels(b, band, codes[b], codings[b].nodata, valid, missing);
        });
      onProgress({ stage: 'aligning', done: y + rows, total: height, unit: 'rows' });
    }
    if (!conv && mapped) {
      const tables = storedCodes(mapped, codings, plan.type, nodataOf(scene, plan.type));
      counts.bands.forEach((band, b) => {
        band.forEach((count, code) => {
          if (count > 0) after.add(b, tables[b][code], count);
        });
      });
    }
    plan.signal?.throwIfAborted();
    const [maskSize, errorSize] = [await mask?.finish(), await errors?.finish()];
    const size = await cog.finish();
    return { cog: size, mask: maskSize ?? null, uncertainty: errorSize ?? null, after: after.counts };
  } finally {
    await Promise.all(writers.map((writer) => writer.abort()));
  }
};
