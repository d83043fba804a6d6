import { rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Fault, reason, refuse } from '../fault.js';
import { digest, makeFolder, temporaryName, writeAtomic } from '../files.js';
import { isDeeperThan } from '../json-depth.js';
import type { MimeBundle } from './kernel-output.js';
import type { Fields } from './wire.js';

/** One output of a code cell, as nbformat 4 has it, with texts joined. */
export type CellOutput =
  | { output_type: 'stream'; name: 'stdout' | 'stderr'; text: string }
  | { output_type: 'display_data'; data: MimeBundle; metadata: Fields }
  | { output_type: 'execute_result'; data: MimeBundle; metadata: Fields; execution_count: number | null }
  | { output_type: 'error'; ename: string; evalue: string; traceback: string[] };

export interface Cell {
  cell_type: 'code' | 'markdown' | 'raw';
  id: string;
  metadata: Fields;
  source: string;
  /** Of code cells. */
  outputs?: CellOutput[];
  execution_count?: number | null;
  attachments?: Fields;
}

export interface Notebook {
  cells: Cell[];
  metadata: Fields;
  nbformat: number;
  nbformat_minor: number;
}

const joined = (value: unknown): string =>
  Array.isArray(value) ? value.join('') : typeof value === 'string' ? value : '';

const isText = (mime: string): boolean =>
  mime.startsWith('text/') || mime === 'image/svg+xml' || mime === 'application/javascript';

const joinedBundle = (data: unknown): MimeBundle =>
  Object.fromEntries(
    Object.entries((data ?? {}) as Fields).map(([mime, value]) => [
      mime,
      Array.isArray(value) && !/[/+]json$/.test(mime) ? joined(value) : value,
    ]),
  );

const countOf = ({ execution_count: count }: Fields): number | null =>
  Number.isSafeInteger(count) ? (count as number) : null;

const readOutput = (output: Fields): CellOutput => {
  if (output['output_type'] === 'stream')
    return {
      output_type: 'stream',
      name: output['name'] === 'stderr' ? 'stderr' : 'stdout',
      text: joined(output['text']),
    };
  if (output['output_type'] === 'error')
    return {
      output_type: 'error',
      ename: joined(output['ename']),
      evalue: joined(output['evalue']),
      traceback: [output['traceback'] ?? []].flat().map(String),
    };
  const shown = { data: joinedBundle(output['data']), metadata: (output['metadata'] ?? {}) as Fields };
  return output['output_type'] === 'execute_result'
    ? {
        output_type: 'execute_result',
        ...shown,
        execution_count: countOf(output),
      }
    : { output_type: 'display_data', ...shown };
};

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What is wrong with a cell beyond its kind, for the reader of a notebook that another program wrote. */
const faultOf = ({ cell_type, outputs, metadata }: Fields): string | undefined => {
  if (metadata !== undefined && !isObject(metadata)) return 'its metadata are no object';
  if (cell_type !== 'code' || outputs === undefined) return undefined;
  if (!Array.isArray(outputs)) return 'its outputs are no list';
  const index = outputs.findIndex((output) => !isObject(output) || typeof output['output_type'] !== 'string');
  return index < 0 ? undefined : `its output ${index + 1} has no output_type`;
};

const isCell = (value: unknown): value is Fields =>
  typeof value === 'object' &&
  value !== null &&
  ['code', 'markdown', 'raw'].includes(String((value as Fields)['cell_type']));

/** Arrays and objects within each other that a notebook may hold; figures and widgets have a dozen. */
const deepest = 200;

/** A name for a cell that has none: from its place and text, so that it stays the same from run to run. */
const stableId = (index: number, source: string): string => digest(`${index}\n${source}`).slice(0, 8);

/**
 * Reads a notebook of nbformat 4. Cells of minor versions before 5 get stable ids. Throws a Fault on anything else.
 */
export const parseNotebook = (text: string, name: string): Notebook => {
  let raw: Fields;
  try {
    raw = JSON.parse(text) as Fields;
  } catch (error) {
    throw new Fault(`notebook: ${name}: not JSON (${reason(error)}); give an .ipynb file`);
  }
  if (isDeeperThan(deepest, raw))
    throw new Fault(`notebook: ${name}: values lie in more than ${deepest} others; no notebook is so deep`);
  if (typeof raw !== 'object' || raw === null || raw['nbformat'] !== 4)
    throw new Fault(
      `notebook: ${name}: nbformat ${String((raw as Fields | null)?.['nbformat'])}; convert it to nbformat 4 (jupyter nbconvert --to notebook)`,
    );
  const cells = raw['cells'];
  if (!Array.isArray(cells) || !cells.every(isCell))
    throw new Fault(
      `notebook: ${name}: its cells are no list of code, markdown and raw cells; mend the file`,
    );
  refuse(
    cells.flatMap((cell, index) => {
      const fault = faultOf(cell);
      return fault === undefined ? [] : [`notebook: ${name}: cell ${index + 1}: ${fault}; mend the file`];
    }),
  );
  const taken = new Set<string>();
  return {
    nbformat: 4,
    nbformat_minor: Math.max(5, Number(raw['nbformat_minor'] ?? 5)),
    metadata: (raw['metadata'] ?? {}) as Fields,
    cells: cells.map((cell, index) => {
      const source = joined(cell['source']);
      let id = typeof cell['id'] === 'string' && cell['id'] !== '' ? cell['id'] : stableId(index, source);
      for (let copy = 2; taken.has(id); copy += 1) id = `${stableId(index, source)}-${copy}`;
      taken.add(id);
      const base = { id, source, metadata: (cell['metadata'] ?? {}) as Fields };
      if (cell['cell_type'] === 'code')
        return {
          cell_type: 'code',
          ...base,
          outputs: ((cell['outputs'] ?? []) as Fields[]).map(readOutput),
          execution_count: countOf(cell),
        };
      return {
        cell_type: cell['cell_type'] as 'markdown' | 'raw',
        ...base,
        ...(cell['attachments'] === undefined ? {} : { attachments: cell['attachments'] as Fields }),
      };
    }),
  };
};

const lines = (text: string): string[] => (text === '' ? [] : text.split(/(?<=\n)/));

const writtenBundle = (data: MimeBundle): MimeBundle =>
  Object.fromEntries(
    Object.entries(data).map(([mime, value]) => [
      mime,
      typeof value === 'string' && isText(mime) ? lines(value) : value,
    ]),
  );

const writtenOutput = (output: CellOutput): Fields => {
  if (output.output_type === 'stream') return { ...output, text: lines(output.text) };
  return output.output_type === 'error' ? { ...output } : { ...output, data: writtenBundle(output.data) };
};

/** A copy with the keys of every object in order, as Python's nbformat writes them. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
};

/** The text of an .ipynb file, laid out as Jupyter lays it out: a diff shows what has changed and nothing else. */
export const notebookText = (notebook: Notebook): string =>
  `${JSON.stringify(
    sorted({
      ...notebook,
      cells: notebook.cells.map((cell) => ({
        ...cell,
        source: lines(cell.source),
        ...(cell.outputs ? { outputs: cell.outputs.map(writtenOutput) } : {}),
      })),
    }),
    null,
    1,
  )}\n`;

const notWritable = (path: string, error: unknown): Fault => {
  const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
  return new Fault(`notebook: ${path}: ${reason(error)}; name a place that can be written`, full ? 1 : 2);
};

/** Throws a Fault where `path` cannot be written; leaves what is there as it is. */
export const checkWritable = async (path: string): Promise<void> => {
  if (path === '/dev/null') return;
  try {
    await makeFolder(dirname(path));
    if (
      await stat(path).then(
        (found) => found.isDirectory(),
        () => false,
      )
    )
      throw new Error('it is a folder');
    const probe = temporaryName(path);
    await writeFile(probe, '', { flag: 'wx' });
    await rm(probe);
  } catch (error) {
    throw notWritable(path, error);
  }
};

/** Writes a notebook whole or not at all; `/dev/null` swallows it. Throws a Fault where it cannot be written. */
export const writeNotebook = async (path: string, notebook: Notebook): Promise<void> => {
  if (path === '/dev/null') return;
  try {
    await writeAtomic(path, notebookText(notebook));
  } catch (error) {
    throw notWritable(path, error);
  }
};

export const cellTags = (cell: Cell): readonly string[] => {
  const tags = cell.metadata['tags'];
  return Array.isArray(tags) ? tags.filter((tag): tag is string => typeof tag === 'string') : [];
};
