import { access, constants, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { Aligner } from '../experiments/aligner.js';
import { Fault, refuse } from '../fault.js';
import { makeFolder, writeAtomic, writeJson } from '../files.js';
import { ignoreProgress, type OnProgress } from '../progress.js';
import { addressOf } from '../raster/byte-source.js';
import { nearlyAll, takenForDark } from '../raster/reflectance-units.js';
import { writeFault } from '../raster/write-cog.js';
import { jointShapeOf } from '../training/network.js';
import { acquisitionTime } from './acquisition-time.js';
import { alignScene } from './align-scene.js';
import { countValues, tileHistogram, type ValueCounts } from './count-values.js';
import { mappingCsv } from './lut-csv.js';
import { openScene, type Scene } from './open-scene.js';
import { holds, type OutputType, outputTypeOf } from './output-values.js';
import { unpackProduct } from './product-zip.js';
import { type Quality, qualityOf } from './quality.js';
import { qualityHtml } from './quality-html.js';
import { changesOf, uncertaintyPicture } from './quality-pictures.js';
import { checkQuicklook, quicklook, smallestImage } from './quicklook.js';
import { sceneAssets } from './scene-assets.js';
import { sceneCrew } from './scene-crew.js';
import { sceneFingerprint } from './scene-fingerprint.js';
import { type SceneOutputs, sceneOutputs } from './scene-outputs.js';
import type { SceneRequest } from './scene-request.js';
import { statisticsWarnings } from './scene-warnings.js';
import { rowsAtOnce } from './scene-windows.js';
import { softwareVersion } from './software-version.js';
import { stacItem } from './stac-item.js';
import { likelierOrder, tileDistance } from './tile-distance.js';
import { expectedError, residualsOf, residualsOfTile, uncertaintyCodes } from './uncertainty.js';

/** What became of one scene. */
export interface AppliedScene {
  out: string;
  item: string;
  width: number;
  height: number;
  seconds: number;
  warnings: string[];
  quality: Quality;
}

export interface ApplyContext {
  aligner: Aligner;
  /** Path of the weights, for the record. */
  weights: string;
  onProgress?: OnProgress;
  signal?: AbortSignal;
  /** Rows read at once, and threads; only tests set them. */
  step?: number;
  threads?: number;
}

const checkRequest = (request: SceneRequest): void => {
  const faults: string[] = [];
  if (request.scale !== undefined && !(request.scale > 0))
    faults.push(`scale: ${request.scale}; stored values per unit of reflectance: 10000, 1000 or 1`);
  if (request.boaOffset !== undefined && !Number.isFinite(request.boaOffset))
    faults.push(`boa offset: ${request.boaOffset}; a number such as 0 or -1000`);
  refuse(faults);
};

const checkType = (scene: Scene, type: OutputType): void => {
  if (scene.nodata !== null && !holds(type, scene.nodata))
    throw new Fault(
      `nodata: ${scene.nodata}; ${type} cannot hold it: give --type float32, or --nodata none if no pixel has it`,
    );
  const lacking = scene.nodata === null && type !== 'float32' && /^float/.test(scene.type);
  if (lacking)
    throw new Fault(
      `nodata: ${scene.inputs[0]} has floats, NaN among them perhaps, and no nodata; ${type} cannot hold NaN: give --nodata or --type float32`,
    );
};

/** How the stored values of a band were understood, for a refusal. */
const understood = ({ units }: Scene['bands'][number]): string =>
  `read as (stored ${units.boaOffset < 0 ? '−' : '+'} ${Math.abs(units.boaOffset)}) / ${units.scale} by ${units.origin}`;

/** A scene without data, or in units that cannot be those assumed. */
const checkCounts = (
  scene: Scene,
  counts: ValueCounts,
  bandMax: readonly number[],
  request: SceneRequest,
): void => {
  const faults: string[] = [];
  const suspects = takenForDark(scene.type.startsWith('float')).map((units) => ({ ...units, values: 0 }));
  let all = 0;
  const outside: string[] = [];
  counts.bands.forEach((band, b) => {
    const { name, coding } = scene.bands[b];
    let [n, above, below] = [0, 0, 0];
    band.forEach((count, code) => {
      const value = coding.values[code];
      n += count;
      if (value > bandMax[b] - 1) above += count;
      else if (value < 0) below += count;
      for (const suspect of suspects) if (Math.abs(value) <= suspect.most) suspect.values += count;
    });
    all += n;
    if (n === 0)
      faults.push(
        `band ${name}: no valid pixel (${counts.nodata[b]} nodata, ${counts.masked[b]} masked of ${counts.pixels}); there is nothing to align`,
      );
    else if (above > nearlyAll * n || below > nearlyAll * n)
      outside.push(
        `range: ${((100 * Math.max(above, below)) / n).toFixed(1)} % of band ${name} lie ${above > below ? `above the model’s ${bandMax[b] - 1}` : 'below 0'}, ${understood(scene.bands[b])}; give the right --boa-offset and --scale, or --force-range if they are right`,
      );
  });
  refuse(faults);
  if (request.forceRange) return;
  const dark = suspects.find(({ values }) => values >= 0.99 * all);
  if (request.scale === undefined && dark)
    throw new Fault(
      `scale: ${((100 * dark.values) / all).toFixed(1)} % of the values of ${scene.inputs[0]} are at most ${dark.most} in reflectance × 10 000, ${understood(scene.bands[0])}; give --scale ${dark.scale} if it holds ${dark.holds}, or --force-range if it is that dark`,
    );
  refuse(outside);
};

/** Pixels that are 0 in every band cannot be told from counts per band; the least of them bounds it. */
const zeroShare = (scene: Scene, counts: ValueCounts): number =>
  scene.nodata !== null || scene.bands.some(({ coding }) => coding.nodata >= 0)
    ? 0
    : Math.min(...counts.bands.map((band) => band[0] / counts.pixels));

const provenanceOf = (
  scene: Scene,
  given: SceneRequest,
  request: SceneRequest,
  { aligner, weights }: ApplyContext,
) => ({
  model: aligner.experiment.model.kind,
  conv: aligner.conv !== null,
  weights: basename(weights),
  weights_sha256: aligner.weightsDigest,
  experiment: aligner.experiment,
  // files of an archive by its own name
  inputs:
    given === request
      ? [...scene.inputs]
      : scene.inputs.map((file) => join(given.inputs[0], relative(request.inputs[0], file))),
  bands: scene.bands.map(({ name, band, raster, units }) => ({
    name,
    file: basename(raster.path),
    band,
    boa_offset: units.boaOffset,
    scale: units.scale,
    origin: units.origin,
  })),
  processing_baseline: scene.metadata?.baseline ?? null,
  product: scene.metadata?.product ?? null,
  nodata: scene.nodata === null ? null : String(scene.nodata),
  masks: scene.masks.map(({ kind, path }) => ({ kind, file: basename(path) })),
  resampled: request.resample === true,
  grid: request.grid === undefined ? null : basename(request.grid),
});

const realPath = (path: string): Promise<string> => realpath(path).catch(() => resolve(path));

/** Names of all files to be written, none of them a folder or an input. */
const prepare = async (request: SceneRequest): Promise<SceneOutputs> => {
  const outputs = sceneOutputs(request.out);
  const status = await stat(request.out).catch(() => null);
  if (status?.isDirectory()) throw new Fault(`out: ${request.out}; is a folder, give a file`);
  const read = [...request.inputs, request.mask, request.scl, request.qa, request.grid].filter(
    (path) => path !== undefined,
  );
  const inputs = new Set(await Promise.all(read.map(realPath)));
  const faults: string[] = [];
  for (const path of Object.values(outputs) as string[])
    if (inputs.has(await realPath(path))) faults.push(`out: ${path}; is an input, choose another name`);
  refuse(faults);
  return outputs;
};

/** Makes the folder of `path` and sees that files can be made in it. */
const checkFolder = async (path: string): Promise<void> => {
  const folder = dirname(resolve(path));
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw writeFault(path, error);
  }
};

/** Aligns a scene whose files can be opened as they are. @param given the request as it came */
const applyOpenable = async (
  given: SceneRequest,
  request: SceneRequest,
  context: ApplyContext,
): Promise<AppliedScene> => {
  const started = performance.now();
  const { aligner, onProgress = ignoreProgress, signal } = context;
  const { bands: names, bandMax, bins } = aligner.experiment.data;
  const residuals = request.uncertainty ? residualsOf(aligner.residuals) : aligner.residuals;
  const outputs = await prepare(request);
  const fingerprint = await sceneFingerprint(given, aligner);
  const scene = await openScene(request, names);
  const crew = sceneCrew(scene, request, names, context.threads);
  try {
    const type = request.type ?? outputTypeOf(scene.type);
    checkType(scene, type);
    // known before the scene is read, not after it
    await checkFolder(request.out);
    const step = context.step ?? rowsAtOnce(scene);
    const shape = jointShapeOf(aligner.experiment);
    const pairs = shape && { shape, bandMax };
    const counts = await countValues(scene, crew, step, pairs, onProgress, signal);
    checkCounts(scene, counts, bandMax, request);
    const codings = scene.bands.map(({ coding }) => coding);
    const values = codings.map((coding) => coding.values);
    const histogram = tileHistogram(counts.bands, values, bandMax, bins);
    const mapping = await aligner.mapping({ histogram, ...(counts.pairs && { joint: counts.pairs }) });
    const ofTile =
      residuals && residualsOfTile(residuals, mapping.expected, counts.bands, bandMax, bins, codings);
    const version = await softwareVersion();
    const provenance = provenanceOf(scene, given, request, context);
    // an item of an earlier run would vouch for files that are about to change
    await rm(outputs.item, { force: true }).catch((error: unknown) => {
      throw writeFault(outputs.item, error);
    });
    const alignment = await alignScene({
      scene,
      crew,
      counts,
      mapping,
      conv: aligner.conv,
      type,
      step,
      outputs,
      uncertainty: request.uncertainty && ofTile ? uncertaintyCodes(ofTile, bandMax, bins, codings) : null,
      metadata: {
        PROCESSING_SOFTWARE: `bandalign ${version}`,
        ALIGNMENT_MODEL: provenance.model,
        ALIGNMENT_WEIGHTS_SHA256: aligner.weightsDigest,
        ALIGNMENT_BOA_ADD_OFFSET: scene.bands.map(({ units }) => units.boaOffset).join(' '),
      },
      cog: { compression: request.compression, level: request.level, overviews: request.overviews },
      onProgress,
      signal,
    });
    const distance = tileDistance(histogram, aligner.domain, bandMax);
    const quality = qualityOf({
      scene: basename(request.out),
      names,
      bandMax,
      counts,
      values,
      after: alignment.after,
      distance,
      expected: ofTile && expectedError(counts.bands, ofTile, bandMax, bins, codings),
      range: mapping.expected ?? null,
      warnings: scene.warnings,
    });
    const before = quality.bands.map((band) => band.before);
    const order = likelierOrder(histogram, aligner.domain, bandMax);
    const acquired = acquisitionTime(scene);
    quality.warnings.push(
      ...statisticsWarnings(names, before, zeroShare(scene, counts)),
      ...(order
        ? [
            `band order: ${order.map((band) => names[band]).join(', ')} would look more like training; check it, or give --bands`,
          ]
        : []),
      ...(distance?.far
        ? [
            `histogram: ${names.filter((_, band) => distance.distance[band] > distance.largestSeen[band]).join(', ')} farther from training than any training tile; the LUTs extrapolate`,
          ]
        : []),
      ...(acquired ? [] : ['acquisition time: unknown; the STAC Item has an interval']),
    );
    try {
      await writeAtomic(outputs.luts, mappingCsv(mapping, names));
      const small = await smallestImage(outputs.cog);
      const picture = small && quicklook(small, names, scene.nodata);
      if (request.quicklook && picture) await writeAtomic(outputs.quicklook, picture);
      const errors = request.uncertainty ? await smallestImage(outputs.uncertainty) : null;
      const shown = {
        scene: picture,
        uncertainty: errors && uncertaintyPicture(errors),
        changes: changesOf(mapping, before),
      };
      await writeJson(outputs.qualityJson, quality);
      await writeAtomic(outputs.qualityHtml, qualityHtml(quality, shown, provenance));
      await writeJson(
        outputs.item,
        stacItem({
          id: basename(request.out).replace(/\.tiff?$/i, ''),
          width: scene.width,
          height: scene.height,
          georeference: scene.georeference,
          acquired,
          created: new Date().toISOString(),
          version,
          lineage: `bandpass alignment of ${scene.inputs.map((input) => basename(input)).join(', ')} by a ${provenance.model} model`,
          provenance: { ...provenance, fingerprint, warnings: quality.warnings },
          assets: await sceneAssets(outputs, scene, type, alignment, request.quicklook === true),
        }),
      );
    } catch (error) {
      throw writeFault(outputs.item, error);
    }
    return {
      out: request.out,
      item: outputs.item,
      width: scene.width,
      height: scene.height,
      seconds: (performance.now() - started) / 1000,
      warnings: quality.warnings,
      quality,
    };
  } finally {
    await crew.close();
    await scene.close();
  }
};

/**
 * Aligns one scene: two passes over the input, then the COG, its mask and uncertainty, the LUTs, the quality report
 * and last the STAC Item, all beside `request.out`. Memory does not grow with the scene's height; each file appears
 * complete or not at all, and nothing is left after a failure or an abort.
 *
 * @throws Fault for every fault of the request and the input at once; a full disk; a connection that stays broken
 */
export const applyScene = async (request: SceneRequest, context: ApplyContext): Promise<AppliedScene> => {
  checkRequest(request);
  checkQuicklook(request);
  const [input] = request.inputs;
  if (request.inputs.length !== 1 || !/\.zip$/i.test(input) || addressOf(input) !== null)
    return applyOpenable(request, request, context);
  const product = await unpackProduct(input, context.aligner.experiment.data.bands, request.out);
  try {
    return await applyOpenable(request, { ...request, inputs: [product.folder] }, context);
  } finally {
    await product.remove();
  }
};
