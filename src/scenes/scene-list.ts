import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { Fault, reason, refuse } from '../fault.js';
import { addressOf } from '../raster/byte-source.js';
import { decodeText } from '../raster/text.js';
import { compressionsWritten } from '../raster/tiff-compression.js';
import type { SceneRequest } from './scene-request.js';

const integers = z.array(z.int());

/** What a line of a list may say of its scene; the command line's options hold where it says nothing. */
const entrySchema = z.strictObject({
  inputs: z.union([
    z
      .string()
      .min(1)
      .transform((path) => [path]),
    z.array(z.string().min(1)).min(1),
  ]),
  out: z.string().min(1).optional(),
  bands: integers.optional(),
  boaOffset: z.number().optional(),
  scale: z.number().positive().optional(),
  forceRange: z.boolean().optional(),
  nodata: z.union([z.number(), z.literal('none')]).optional(),
  mask: z.string().optional(),
  scl: z.string().optional(),
  sclValid: integers.optional(),
  qa: z.string().optional(),
  qaBits: integers.optional(),
  resample: z.boolean().optional(),
  type: z.enum(['uint16', 'int16', 'float32']).optional(),
  uncertainty: z.boolean().optional(),
  compression: z.enum(compressionsWritten).optional(),
  level: z.int().optional(),
  overviews: z.boolean().optional(),
  quicklook: z.boolean().optional(),
  grid: z.string().optional(),
  window: z.tuple([z.int(), z.int(), z.int(), z.int()]).optional(),
  bbox: z.tuple([z.number(), z.number(), z.number(), z.number()]).optional(),
});

const isUrl = (path: string): boolean => addressOf(path) !== null;

/** `SCENE_aligned.tif` in `folder`; a band file stands for its folder when there are several. */
const nameOf = (inputs: readonly string[], folder: string): string => {
  const path = inputs.length === 1 ? inputs[0] : dirname(inputs[0]);
  const name = basename(path.split(/[?#]/)[0]).replace(/(?:\.SAFE)?(?:\.zip|\.(?:geo)?json)?$/i, '');
  const stem = /\.(tiff?|jp2)$/i.test(name) ? basename(name, extname(name)) : name;
  return join(folder, `${stem}_aligned.tif`);
};

/**
 * Reads a list of scenes: a line each, either the path of a file or folder, or a JSON object
 * (`{"inputs": "B.tif", "boaOffset": -1000, "out": "b.tif"}`); empty lines and lines that begin with # are skipped.
 * Relative paths are taken from the list's folder, outputs from `folder`.
 *
 * @throws Fault with a line for every bad line and for outputs that two scenes share
 */
export const readSceneList = async (
  path: string,
  folder: string,
  defaults: Omit<SceneRequest, 'inputs' | 'out'>,
): Promise<SceneRequest[]> => {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new Fault(`list: ${path}; cannot be read (${reason(error)}): check the path`);
  });
  const text = decodeText(bytes);
  if (text === null) throw new Fault(`list: ${path}; not text, save it as UTF-8`);
  const home = dirname(path);
  const from = (file: string): string => (isUrl(file) || isAbsolute(file) ? file : join(home, file));
  const faults: string[] = [];
  const requests: SceneRequest[] = [];
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    const where = `list: ${path} line ${index + 1}`;
    let entry: unknown = { inputs: line };
    if (line.startsWith('{'))
      try {
        entry = JSON.parse(line);
      } catch (error) {
        faults.push(`${where}; not JSON (${reason(error)})`);
        return;
      }
    const parsed = entrySchema.safeParse(entry);
    if (!parsed.success) {
      for (const issue of parsed.error.issues)
        faults.push(`${where} ${issue.path.join('.')}; ${issue.message.toLowerCase()}`);
      return;
    }
    const { inputs, out, ...rest } = parsed.data;
    const own = { ...rest };
    for (const key of ['mask', 'scl', 'qa', 'grid'] as const) {
      const file = own[key];
      if (file) own[key] = from(file);
    }
    const files = inputs.map(from);
    requests.push({
      ...defaults,
      ...own,
      inputs: files,
      out: out ? (isAbsolute(out) ? out : join(folder, out)) : nameOf(files, folder),
    });
  });
  const seen = new Map<string, SceneRequest>();
  for (const request of requests) {
    const other = seen.get(request.out);
    if (other)
      faults.push(
        `list: ${path}; ${other.inputs[0]} and ${request.inputs[0]} would both be ${request.out}: give them "out"`,
      );
    seen.set(request.out, request);
  }
  if (requests.length === 0 && faults.length === 0) faults.push(`list: ${path}; names no scene`);
  refuse(faults);
  return requests;
};
