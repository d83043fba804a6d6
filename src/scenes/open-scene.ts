import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { Fault, refuse } from '../fault.js';
import type { Georeference } from '../raster/georeference.js';
import type { Pixels, PixelType, Raster } from '../raster/raster.js';
import { openRaster } from '../raster/read.js';
import { bringToGrid } from './bring-to-grid.js';
import { chooseBands, contradictedBands } from './choose-bands.js';
import { type PixelCoding, pixelCoding } from './pixel-coding.js';
import { metadataOfImage, openProductFolder } from './product-folder.js';
import { type ProductMetadata, statedByProduct } from './product-metadata.js';
import { statedByTags, type Units, unitsOf } from './reflectance-units.js';
import { maskRule, qaRule, type SceneMask, sclRule, sclValidDefault } from './scene-mask.js';
import type { SceneRequest } from './scene-request.js';

/** One band of the model and where its pixels are. */
export interface SceneBand {
  /** The model's name of it. */
  name: string;
  raster: Raster;
  /** 1-based. */
  band: number;
  units: Units;
  coding: PixelCoding;
}

/** A scene whose every part is open and fits together. */
export interface Scene {
  inputs: readonly string[];
  width: number;
  height: number;
  type: PixelType;
  nodata: number | null;
  georeference: Georeference | null;
  bands: readonly SceneBand[];
  masks: readonly SceneMask[];
  metadata: ProductMetadata | null;
  /** What a person should know before trusting the result. */
  warnings: string[];
  /** Codes of each band, rows `y` to `y + rows`. The third call after this one may write over them. */
  read(y: number, rows: number): Promise<Uint16Array[]>;
  close(): Promise<void>;
}

const isFolder = async (path: string): Promise<boolean> =>
  !/^https?:/i.test(path) &&
  (await stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  ));

/** Opens a file whatever its kind is. */
const openImage = async (path: string): Promise<Raster> =>
  extname(path).toLowerCase() === '.jp2'
    ? (await import('./open-jpeg2000.js')).openJpeg2000(path)
    : openRaster(path);

const commonNodata = (
  rasters: readonly Raster[],
  request: SceneRequest,
  metadata: ProductMetadata | null,
  faults: string[],
): number | null => {
  if (request.nodata !== undefined) return request.nodata === 'none' ? null : request.nodata;
  const stated = [...new Set(rasters.map(({ nodata }) => nodata))];
  if (stated.length > 1)
    faults.push(`nodata: ${stated.map(String).join(' and ')} in files of one scene; give --nodata`);
  return stated[0] ?? metadata?.nodata ?? null;
};

const maskRequests = (request: SceneRequest, scl: string | null) => {
  const path = request.scl ?? scl;
  return [
    ...(request.mask ? [{ kind: 'mask' as const, path: request.mask }] : []),
    ...(path ? [{ kind: 'scl' as const, path }] : []),
    ...(request.qa ? [{ kind: 'qa' as const, path: request.qa }] : []),
  ];
};

const ruleOf = (kind: SceneMask['kind'], raster: Raster, request: SceneRequest): SceneMask['isValid'] =>
  kind === 'mask'
    ? maskRule(raster.nodata)
    : kind === 'scl'
      ? sclRule(request.sclValid ?? sclValidDefault)
      : qaRule(request.qaBits ?? []);

/** Masks in the files themselves, which nothing here looks at. */
const ownMasks = (images: readonly Raster[]): string[] =>
  images.flatMap(({ path, hasOwnMask }) =>
    hasOwnMask
      ? [
          `mask: ${path} has a mask of its own (internal mask or alpha band), which is not used; write it to a file (gdal_translate -b mask) and give --mask`,
        ]
      : [],
  );

/**
 * Opens a scene for a model's bands: finds its files and bands, its units, nodata and masks, and checks that all lie
 * on one grid. Close it.
 *
 * @throws Fault with a line for everything that is missing, unknown or does not fit
 */
export const openScene = async (request: SceneRequest, names: readonly string[]): Promise<Scene> => {
  const opened: Raster[] = [];
  const faults: string[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(opened.splice(0).map((raster) => raster.close()));
  };
  const openAll = async (paths: readonly string[]): Promise<Raster[]> => {
    const rasters: Raster[] = [];
    for (const path of paths)
      try {
        const raster = await openImage(path);
        opened.push(raster);
        rasters.push(raster);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        faults.push(...error.faults);
      }
    return rasters;
  };
  try {
    if (request.inputs.length === 0) throw new Fault('scene: none; give a file, files or a folder');
    if (request.qa && !request.qaBits?.length)
      faults.push('--qa: which bits count is unknown; give --qa-bits');
    const folder =
      request.inputs.length === 1 && (await isFolder(request.inputs[0]))
        ? await openProductFolder(request.inputs[0], names)
        : null;
    const paths = folder?.files ?? request.inputs;
    const metadata = folder?.metadata ?? (await metadataOfImage(paths[0]));
    const images = await openAll(paths);
    const requests = maskRequests(request, folder?.scl ?? null);
    const maskRasters: (Raster | undefined)[] = [];
    for (const { path } of requests) maskRasters.push((await openAll([path]))[0]);
    // without its images there is nothing to compare
    if (images.length < paths.length) throw new Fault(faults);

    const chosen = chooseBands(images, names, request, faults);
    if (chosen.length < names.length) throw new Fault(faults);
    const finest = chosen.reduce((a, b) => (b.raster.width > a.raster.width ? b : a)).raster;
    const { width, height, georeference, type } = finest;
    const fitted = new Map(
      [...new Set(chosen.map(({ raster }) => raster))].map((raster) => [
        raster,
        bringToGrid(raster, 'band', finest, request.resample === true, faults),
      ]),
    );
    for (const raster of fitted.keys())
      if (raster.type !== type)
        faults.push(
          `band: ${raster.path} holds ${raster.type}, ${finest.path} ${type}; write them as one type`,
        );
    const nodata = commonNodata([...fitted.keys()], request, metadata, faults);
    const bands = chosen.flatMap(({ raster, band }, index): SceneBand[] => {
      const name = names[index];
      const stated =
        statedByTags(raster.scale[band - 1], raster.offset[band - 1]) ??
        (metadata ? statedByProduct(metadata, name) : null);
      const units = unitsOf(`band ${name}`, request, stated);
      if (typeof units === 'string') {
        // the flag answers for all bands
        if (!faults.some((fault) => fault.startsWith('boa offset'))) faults.push(units);
        return [];
      }
      return [{ name, raster: fitted.get(raster)!, band, units, coding: pixelCoding(type, units, nodata) }];
    });
    const masks = requests.flatMap(({ kind, path }, index): SceneMask[] => {
      const raster = maskRasters[index];
      if (!raster) return [];
      const onGrid = bringToGrid(raster, kind, finest, true, faults);
      return [{ kind, path, raster: onGrid, isValid: ruleOf(kind, raster, request) }];
    });
    refuse(faults);

    return {
      inputs: paths,
      width,
      height,
      type,
      nodata,
      georeference,
      bands,
      masks,
      metadata,
      warnings: [
        ...(georeference === null ? ['georeference: none in the input, so none in the output'] : []),
        ...contradictedBands(chosen, names, request),
        ...ownMasks(images),
      ],
      read: codeReader(bands, width),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
};

/** Reads whose arrays hold at the same time: rows that are computed on, those before, whose last are still seen, and the next. */
const readsHeld = 3;

/** Reads codes of all bands, in memory that is used again: fresh pages cost more time than the copying. */
const codeReader = (bands: readonly SceneBand[], width: number): Scene['read'] => {
  // bands of one file are read together: their samples lie interleaved
  const files = [...new Set(bands.map(({ raster }) => raster))];
  const spare = Array.from({ length: readsHeld }, () => new Map<Raster, Pixels[]>());
  let count = 0;
  return async (y, rows) => {
    const window = [0, y, width, rows] as const;
    const memory = spare[count++ % readsHeld];
    const read = new Map<Raster, Map<number, Pixels>>();
    await Promise.all(
      files.map(async (raster) => {
        const wanted = [...new Set(bands.filter((band) => band.raster === raster).map(({ band }) => band))];
        const pixels = await raster.read({ window, bands: wanted, into: memory.get(raster) });
        memory.set(raster, pixels);
        read.set(raster, new Map(wanted.map((band, index) => [band, pixels[index]])));
      }),
    );
    return bands.map(({ raster, band, coding }) => coding.encode(read.get(raster)!.get(band)!));
  };
};
