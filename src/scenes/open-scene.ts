import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { Fault, refuse } from '../fault.js';
import { addressOf } from '../raster/byte-source.js';
import type { Georeference } from '../raster/georeference.js';
import type { Pixels, PixelType, Raster, RasterWindow } from '../raster/raster.js';
import { openRaster } from '../raster/read.js';
import { type StatedUnits, statedByTags, type Units, unitsFrom } from '../raster/reflectance-units.js';
import { bringToGrid } from './bring-to-grid.js';
import { type ChosenBand, chooseBands, contradictedBands } from './choose-bands.js';
import { type PixelCoding, pixelCoding } from './pixel-coding.js';
import { metadataOfImage, openProductFolder } from './product-folder.js';
import { metadataName, type ProductMetadata, statedByProduct } from './product-metadata.js';
import { maskRule, qaRule, readValidity, type SceneMask, sclRule, sclValidDefault } from './scene-mask.js';
import { partGeoreference, scenePart } from './scene-part.js';
import type { SceneRequest } from './scene-request.js';
import { isStacItem, openStacItem } from './stac-input.js';
import { warpedRaster } from './warped-raster.js';

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
  /** Items of the first file's own metadata. */
  items: Readonly<Record<string, string>>;
  /** What a person should know before trusting the result. */
  warnings: string[];
  /** Where the scene begins in its files, pixels, and width and height of the blocks that are read at once. */
  origin: readonly [number, number];
  blockSize: readonly [number, number];
  /** A window's codes of each band, and which pixels the masks leave (null: all). They hold until the next call. */
  read(window: RasterWindow): Promise<{ codes: Uint16Array[]; valid: Uint8Array | null }>;
  close(): Promise<void>;
}

const isFolder = async (path: string): Promise<boolean> =>
  addressOf(path) === null &&
  (await stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  ));

/** A folder of a product: given itself, or by its metadata file. */
const folderOf = async ({ inputs }: SceneRequest): Promise<string | null> => {
  if (inputs.length !== 1) return null;
  const [input] = inputs;
  if (await isFolder(input)) return input;
  return [metadataName, 'MTD_MSIL1C.xml'].includes(basename(input)) ? dirname(input) : null;
};

/** Stored value of no data of each chosen band; bands of several files must agree. */
const nodataOfBands = (
  chosen: readonly ChosenBand[],
  request: SceneRequest,
  metadata: ProductMetadata | null,
  faults: string[],
): (number | null)[] => {
  const { nodata } = request;
  if (nodata !== undefined) return chosen.map(() => (nodata === 'none' ? null : nodata));
  const stated = chosen.map(({ raster, band }) => raster.bandNodata[band - 1]);
  const different = [...new Set(stated)];
  if (different.length > 1 && new Set(chosen.map(({ raster }) => raster)).size > 1)
    faults.push(`nodata: ${different.map(String).join(' and ')} in files of one scene; give --nodata`);
  return stated.map((value) => value ?? metadata?.nodata ?? null);
};

/** Rasters whose own mask counts: not an alpha band that is read as data. */
const maskedRasters = (chosen: readonly ChosenBand[]): Set<Raster> =>
  new Set(
    chosen.flatMap(({ raster }) => {
      const alphaIsData = chosen.some(
        (other) => other.raster === raster && raster.colours[other.band - 1] === 'alpha',
      );
      return raster.ownMask === null || (raster.ownMask === 'alpha band' && alphaIsData) ? [] : [raster];
    }),
  );

/**
 * Units of a band by flag, else by what its file or product states; a text that says what is missing otherwise. Dates
 * decide nothing: old scenes are reprocessed, and providers differ on whether they have applied the offset.
 */
const unitsOf = (
  name: string,
  flags: Pick<SceneRequest, 'boaOffset' | 'scale'>,
  stated: StatedUnits | null,
  type: PixelType,
): Units | string => {
  // products with an offset store reflectance × 10 000
  const isFraction = flags.scale !== undefined && flags.scale <= 100;
  const boaOffset = flags.boaOffset ?? stated?.boaOffset ?? (isFraction ? 0 : null);
  if (boaOffset === null) {
    const fraction = type.startsWith('float') ? ', --scale 1 for reflectance from 0 to 1' : '';
    return `boa offset: unknown for ${name}; give --boa-offset -1000 for a Sentinel-2 product of baseline 04.00 or later as published, --boa-offset 0 for an older one or where the provider has applied it${fraction}`;
  }
  const byFlag = [
    flags.boaOffset === undefined ? '' : '--boa-offset',
    flags.scale === undefined ? '' : '--scale',
  ].filter(Boolean);
  const origin = [...byFlag, byFlag.length < 2 && stated ? stated.origin : ''].filter(Boolean).join(', ');
  return unitsFrom(boaOffset, flags.scale ?? stated?.scale ?? null, origin);
};

/** What the scale and offset of a file say against a flag that goes before them. */
const overruled = (
  request: SceneRequest,
  name: string,
  units: Units,
  raster: Raster,
  band: number,
): string[] => {
  const stated = statedByTags(raster.scale[band - 1], raster.offset[band - 1]);
  if (stated === null || (stated.boaOffset === units.boaOffset && stated.scale === units.scale)) return [];
  const flags = [
    request.boaOffset === undefined ? '' : '--boa-offset',
    request.scale === undefined ? '' : '--scale',
  ].filter(Boolean);
  return [
    `band ${name}: ${flags.join(' and ')} overrule${flags.length > 1 ? '' : 's'} the file’s own offset ${stated.boaOffset} and scale ${stated.scale}`,
  ];
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
        const raster = await openRaster(path);
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
    const productFolder = await folderOf(request);
    const isItem = request.inputs.length === 1 && isStacItem(request.inputs[0]);
    const folder = isItem
      ? await openStacItem(request.inputs[0], names)
      : productFolder === null
        ? null
        : await openProductFolder(productFolder, names);
    const paths = folder?.files ?? request.inputs;
    const metadata = folder?.metadata ?? (await metadataOfImage(paths[0]));
    const images = await openAll(paths);
    const requests = maskRequests(request, folder?.scl ?? null);
    const maskRasters: (Raster | undefined)[] = [];
    for (const { path } of requests) maskRasters.push((await openAll([path]))[0]);
    // without its images there is nothing to compare
    if (images.length < paths.length) throw new Fault(faults);

    const found = chooseBands(images, names, request, faults);
    if (found.length < names.length) throw new Fault(faults);
    const grid = request.grid === undefined ? null : (await openAll([request.grid]))[0];
    if (request.grid !== undefined && !grid) throw new Fault(faults);
    const onGrid = new Map(
      grid
        ? [...new Set(found.map(({ raster }) => raster))].map((raster) => [
            raster,
            warpedRaster(raster, grid, 'average'),
          ])
        : [],
    );
    const chosen = found.map(({ raster, band }) => ({ raster: onGrid.get(raster) ?? raster, band }));
    const finest = chosen.reduce((a, b) => (b.raster.width > a.raster.width ? b : a)).raster;
    const { type } = finest;
    const georeference = finest.georeference;
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
    const nodata = nodataOfBands(chosen, request, metadata, faults);
    const masked = maskedRasters(chosen);
    const warnings = [...new Set(images.flatMap(({ unheeded }) => unheeded))];
    const bands = chosen.flatMap(({ raster, band }, index): SceneBand[] => {
      const name = names[index];
      const stated =
        statedByTags(raster.scale[band - 1], raster.offset[band - 1]) ??
        (metadata ? statedByProduct(metadata, name) : null);
      const units = unitsOf(`band ${name}`, request, stated, type);
      if (typeof units === 'string') {
        // the flag answers for all bands
        if (!faults.some((fault) => fault.startsWith('boa offset'))) faults.push(units);
        return [];
      }
      const coding = pixelCoding(type, units, nodata[index], masked.has(raster));
      warnings.push(...overruled(request, name, units, raster, band));
      return [{ name, raster: fitted.get(raster)!, band, units, coding }];
    });
    const masks = requests.flatMap(({ kind, path }, index): SceneMask[] => {
      const raster = maskRasters[index];
      if (!raster) return [];
      const fitting = grid
        ? warpedRaster(raster, grid, 'nearest')
        : bringToGrid(raster, kind, finest, true, faults);
      return [{ kind, path, raster: fitting, isValid: ruleOf(kind, raster, request) }];
    });
    refuse(faults);
    const part = scenePart(request, finest) ?? ([0, 0, finest.width, finest.height] as const);
    const [left, top, width, height] = part;
    const read = codeReader(bands, masks, new Set([...masked].map((raster) => fitted.get(raster)!)));

    return {
      inputs: paths,
      width,
      height,
      type,
      // integers have no NaN: 0 where masked pixels need a value and the file states none
      nodata: nodata.find((value) => value !== null) ?? (masked.size > 0 && !/^float/.test(type) ? 0 : null),
      georeference: partGeoreference(georeference, part),
      bands,
      masks,
      metadata,
      items: images[0].items,
      warnings: [
        ...warnings,
        ...(georeference === null && !warnings.some((warning) => warning.startsWith('georeference'))
          ? ['georeference: none in the input, so none in the output']
          : []),
        ...contradictedBands(chosen, names, request),
      ],
      origin: [left, top],
      blockSize: [0, 1].map((side) => Math.max(...bands.map(({ raster }) => raster.blockSize[side]))) as [
        number,
        number,
      ],
      read: ([x, y, columns, rows]) => read([left + x, top + y, columns, rows]),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
};

/**
 * Reads codes of all bands, in memory that is used again: fresh pages cost more time than the copying. Pixels that a file
 * itself masks get the code of nodata.
 */
const codeReader = (
  bands: readonly SceneBand[],
  masks: readonly SceneMask[],
  masked: ReadonlySet<Raster>,
): Scene['read'] => {
  // bands of one file are read together: their samples lie interleaved
  const files = [...new Set(bands.map(({ raster }) => raster))];
  // windows come in few sizes, those of the edges among them
  const memory = new Map(files.map((raster) => [raster, new Map<number, Pixels[]>()]));
  return async (window) => {
    const read = new Map<Raster, Map<number, Pixels>>();
    const own = new Map<Raster, Uint8Array | null>();
    const [valid] = await Promise.all([
      readValidity(masks, window),
      ...files.map(async (raster) => {
        const wanted = [...new Set(bands.filter((band) => band.raster === raster).map(({ band }) => band))];
        const sizes = memory.get(raster)!;
        const size = window[2] * window[3];
        const pixels = await raster.read({ window, bands: wanted, into: sizes.get(size) });
        sizes.set(size, pixels);
        read.set(raster, new Map(wanted.map((band, index) => [band, pixels[index]])));
        if (masked.has(raster)) own.set(raster, await raster.readOwnMask(window));
      }),
    ]);
    const codes = bands.map(({ raster, band, coding }) => {
      const encoded = coding.encode(read.get(raster)!.get(band)!);
      const mask = own.get(raster);
      if (mask) for (let i = 0; i < encoded.length; i++) if (mask[i] === 0) encoded[i] = coding.nodata;
      return encoded;
    });
    return { codes, valid };
  };
};
