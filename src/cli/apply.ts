import { override } from '../config/override.js';
import { notOneOf } from '../config/spelling.js';
import { loadDefinitions } from '../experiments/load.js';
import { checkSlurm, type SlurmSettings } from '../experiments/sweep.js';
import { Fault, refuse } from '../fault.js';
import { compressionsWritten } from '../raster/tiff-compression.js';
import type { SceneRequest } from '../scenes/scene-request.js';
import { type ExecutorName, executors } from '../sweeps/executor.js';
import type { Call, Command } from './command.js';
import { modelOption, several } from './options.js';

const text = (call: Call, name: string): string | undefined => {
  const value = call.options[name];
  return typeof value === 'string' ? value : undefined;
};

const number = (call: Call, name: string, faults: string[]): number | undefined => {
  const value = text(call, name);
  if (value === undefined) return undefined;
  if (value.trim() !== '' && Number.isFinite(Number(value))) return Number(value);
  faults.push(`--${name}: ${value}; a number`);
  return undefined;
};

const integers = (call: Call, name: string, faults: string[]): number[] | undefined => {
  const value = text(call, name);
  if (value === undefined) return undefined;
  const list = value.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (list.every((part) => Number.isInteger(part) && part >= 0)) return list;
  faults.push(`--${name}: ${value}; integers with commas between, such as 1,2,3`);
  return undefined;
};

const four = (
  call: Call,
  name: string,
  faults: string[],
): readonly [number, number, number, number] | undefined => {
  const value = text(call, name);
  if (value === undefined) return undefined;
  const [a, b, c, d, ...rest] = value
    .split(',')
    .map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (rest.length === 0 && [a, b, c, d].every(Number.isFinite)) return [a, b, c, d];
  faults.push(`--${name}: ${value}; four numbers with commas between`);
  return undefined;
};

const oneOf = <T extends string>(
  call: Call,
  name: string,
  allowed: readonly T[],
  faults: string[],
): T | undefined => {
  const value = text(call, name);
  if (value === undefined) return undefined;
  const found = allowed.find((one) => one === value);
  if (found === undefined) faults.push(notOneOf(`--${name}`, value, allowed));
  return found;
};

const nodataOf = (call: Call, faults: string[]): number | 'none' | undefined => {
  const value = text(call, 'nodata');
  if (value === undefined || value === 'none') return value;
  if (/^nan$/i.test(value)) return Number.NaN;
  return number(call, 'nodata', faults);
};

/** What holds for every scene of the call. */
const commonOf = (call: Call, faults: string[]): Omit<SceneRequest, 'inputs' | 'out'> => {
  const all: Omit<SceneRequest, 'inputs' | 'out'> = {
    bands: integers(call, 'bands', faults),
    boaOffset: number(call, 'boa-offset', faults),
    scale: number(call, 'scale', faults),
    forceRange: call.options['force-range'] === true || undefined,
    nodata: nodataOf(call, faults),
    mask: text(call, 'mask'),
    scl: text(call, 'scl'),
    sclValid: integers(call, 'scl-valid', faults),
    qa: text(call, 'qa'),
    qaBits: integers(call, 'qa-bits', faults),
    resample: call.options['resample'] === true || undefined,
    grid: text(call, 'grid'),
    window: four(call, 'window', faults),
    bbox: four(call, 'bbox', faults),
    quicklook: call.options['quicklook'] === true || undefined,
    type: oneOf(call, 'type', ['uint16', 'int16', 'float32'] as const, faults),
    uncertainty: call.options['uncertainty'] === true || undefined,
    compression: oneOf(call, 'compress', compressionsWritten, faults),
    level: number(call, 'level', faults),
    overviews: oneOf(call, 'overviews', ['yes', 'none'], faults) === 'none' ? false : undefined,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
};

/** Throughput as people compare it. */
const rate = (pixels: number, seconds: number): string => `${(pixels / 1e6 / seconds).toFixed(1)} Mpx/s`;

/** Where the scenes of a list are aligned. */
interface Where {
  executor: ExecutorName;
  slurm: SlurmSettings;
  jobs: number;
}

const runList = async (
  call: Call,
  list: string,
  out: string,
  weights: string,
  where: Where,
  common: Omit<SceneRequest, 'inputs' | 'out'>,
): Promise<void> => {
  const [{ runScenes }, { loadAligner }] = await Promise.all([
    import('../sweeps/run-scenes.js'),
    import('../training/load-weights.js'),
  ]);
  const settings = settingsOf(call);
  const results = await runScenes({
    list,
    out,
    weights,
    aligner: await loadAligner(weights, settings),
    settings,
    common,
    ...where,
    signal: call.signal,
    onProgress: call.progress,
    onNote: call.note,
    onResult: ({ status, scene, out: written, seconds, warnings, faults }) => {
      call.print(
        status === 'failed'
          ? `failed  ${scene}  ${faults.join(' | ')}`
          : `${status.padEnd(6)}  ${scene}  ${written}${status === 'done' ? `  ${seconds.toFixed(1)} s` : ''}`,
      );
      for (const warning of warnings) call.note(`${scene}: ${warning}`);
    },
  }).catch((error: unknown) => {
    throw call.signal.aborted ? new Fault('interrupted: stopped by signal; the same call goes on', 1) : error;
  });
  const count = (status: string): number => results.filter((result) => result.status === status).length;
  call.json({ done: count('done'), kept: count('kept'), failed: count('failed'), scenes: results });
  if (count('failed') > 0) {
    call.note(`scenes: ${count('failed')} of ${results.length} failed; the same call tries them again`);
    process.exitCode = 1;
  }
};

const settingsOf = (call: Call): string[] =>
  [call.options['set'] ?? []].flat().filter((word): word is string => typeof word === 'string');

const runOne = async (
  call: Call,
  out: string,
  weights: string,
  common: Omit<SceneRequest, 'inputs' | 'out'>,
): Promise<void> => {
  const [{ applyScene }, { loadAligner }] = await Promise.all([
    import('../scenes/apply-scene.js'),
    import('../training/load-weights.js'),
  ]);
  const aligner = await loadAligner(weights, settingsOf(call));
  const done = await applyScene(
    { ...common, inputs: call.words, out },
    { aligner, weights, onProgress: call.progress, signal: call.signal },
  );
  for (const warning of done.warnings) call.note(`warning: ${warning}`);
  const { width, height, seconds } = done;
  call.print(
    `${out}: ${width} × ${height}, ${seconds.toFixed(1)} s, ${rate(width * height, seconds)}; ${done.item} describes it`,
  );
  call.json(done);
};

export const command: Command = {
  path: ['apply'],
  words: 'SCENE…',
  summary: 'align whole scenes: cloud-optimised GeoTIFFs with provenance, LUTs and a quality report',
  examples: [
    'apply S2.tif --weights outputs/mine/checkpoints/best.safetensors --boa-offset -1000 --out ALIGNED.tif',
    'apply S2A_MSIL2A_20200219T112119.SAFE --weights best.safetensors --uncertainty --quicklook --out ALIGNED.tif',
    'apply --list scenes.txt --weights best.safetensors --jobs 4 --out aligned/',
  ],
  options: {
    ...modelOption,
    weights: {
      type: 'string',
      value: 'FILE',
      help: 'fitted weights: .safetensors of ours or a .pth of the original',
    },
    out: { type: 'string', value: 'OUT.tif', help: 'the aligned scene; with --list, the folder for all' },
    list: {
      type: 'string',
      value: 'FILE',
      help: 'scenes, a line each: a path or a JSON object; finished ones are kept',
    },
    executor: {
      type: 'string',
      value: executors.join('|'),
      help: 'with --list: where scenes are aligned (default local: a process each)',
    },
    jobs: { type: 'string', value: 'N', help: 'with --list: scenes at a time (default 1)' },
    slurm: {
      type: 'string',
      multiple: true,
      value: 'KEY=VALUE',
      help: 'a Slurm setting, such as time=2:00:00, partition=cpu, cpus=2, perJob=4; repeatable',
    },
    bands: {
      type: 'string',
      value: '1,2,3,7',
      help: 'bands of a multi-band file, in the order of the model',
    },
    'boa-offset': {
      type: 'string',
      value: 'N',
      help: 'added to stored values: 0, or -1000 for Sentinel-2 baseline 04.00 and later as published (default: metadata)',
    },
    scale: {
      type: 'string',
      value: 'N',
      help: 'stored values per unit of reflectance: 10000, 1000 or 1 (default: metadata)',
    },
    'force-range': {
      type: 'boolean',
      help: 'go on where nearly all values of a band lie outside the model’s range',
    },
    nodata: {
      type: 'string',
      value: 'N',
      help: 'stored value of no data, or none (default: the file’s tag)',
    },
    mask: { type: 'string', value: 'FILE', help: 'valid where above 0: the rest leaves the histogram' },
    scl: {
      type: 'string',
      value: 'FILE',
      help: 'Sentinel-2 scene classification: clouds and shadows leave the histogram',
    },
    'scl-valid': { type: 'string', value: '4,5,6', help: 'classes that are valid (default: 2,4,5,6,7,11)' },
    qa: {
      type: 'string',
      value: 'FILE',
      help: 'quality bits: pixels with any of --qa-bits leave the histogram',
    },
    'qa-bits': { type: 'string', value: '10,11', help: 'bits that count, 0 the lowest' },
    resample: { type: 'boolean', help: 'repeat the pixels of coarser bands on the finest grid' },
    grid: {
      type: 'string',
      value: 'LIKE.tif',
      help: 'align on the grid of this raster, such as a GF-1 image of 16 m: means by area of the pixels beneath',
    },
    window: {
      type: 'string',
      value: 'X,Y,W,H',
      help: 'align a part: column, row, width and height in pixels',
    },
    bbox: {
      type: 'string',
      value: 'L,B,R,T',
      help: 'align a part: left, bottom, right, top in the scene’s coordinates',
    },
    quicklook: { type: 'boolean', help: 'also write a small picture in true colour, OUT.quicklook.png' },
    type: { type: 'string', value: 'TYPE', help: 'uint16, int16 or float32 (default: as the input)' },
    uncertainty: { type: 'boolean', help: 'also write the expected error of each pixel' },
    compress: { type: 'string', value: 'NAME', help: 'deflate, zstd, lzw or none (default deflate)' },
    level: {
      type: 'string',
      value: 'N',
      help: 'compression level: deflate 1 (fastest) to 9 (default 3), zstd 1 to 22 (default 9)',
    },
    overviews: { type: 'string', value: 'none', help: 'write no overviews' },
    set: {
      type: 'string',
      multiple: true,
      value: 'A.B=C',
      help: 'change a setting of the weights’ experiment',
    },
  },
  run: async (call) => {
    const faults: string[] = [];
    const [weights, out, list] = ['weights', 'out', 'list'].map((name) => text(call, name));
    const common = commonOf(call, faults);
    const jobs = number(call, 'jobs', faults) ?? 1;
    const executor = oneOf(call, 'executor', executors, faults) ?? 'local';
    if (!weights) faults.push('--weights: none; give a .safetensors or .pth file');
    if (!out) faults.push(list ? '--out: none; give a folder' : '--out: none; give a name that ends in .tif');
    if (list && call.words.length > 0)
      faults.push(`scene: ${call.words[0]}; put it in the list, or leave --list out`);
    for (const name of ['executor', 'jobs', 'slurm'])
      if (!list && call.options[name] !== undefined) faults.push(`--${name}: without --list; leave it out`);
    if (!list && call.words.length === 0)
      faults.push('scene: none; give a file, a file per band, a folder or --list');
    if (!(Number.isInteger(jobs) && jobs >= 1)) faults.push(`--jobs: ${jobs}; a positive integer`);
    refuse(faults);
    const slurm = checkSlurm(override({} as SlurmSettings, several(call, 'slurm')));
    if (!weights || !out) throw new Fault('call: incomplete; see `bandalign apply --help`');
    const model = text(call, 'model');
    if (model !== undefined) await loadDefinitions(model);
    if (list) await runList(call, list, out, weights, { executor, slurm, jobs }, common);
    else await runOne(call, out, weights, common);
  },
};
