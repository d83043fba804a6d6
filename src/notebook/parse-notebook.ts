import { Fault, reason, refuse } from '../fault.js';
import { digest } from '../files.js';
import { isDeeperThan } from '../json-depth.js';
import type { Cell, CellOutput, Notebook } from './document.js';
import type { MimeBundle } from './kernel-output.js';
import { type Fields, isFields } from './wire.js';

const joined = (value: unknown): string =>
  Array.isArray(value) ? value.join('') : typeof value === 'string' ? value : '';

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

/** What is wrong with a cell beyond its kind, for the reader of a notebook that another program wrote. */
const faultOf = ({ cell_type, outputs, metadata }: Fields): string | undefined => {
  if (metadata !== undefined && !isFields(metadata)) return 'its metadata are no object';
  if (cell_type !== 'code' || outputs === undefined) return undefined;
  if (!Array.isArray(outputs)) return 'its outputs are no list';
  const index = outputs.findIndex((output) => !isFields(output) || typeof output['output_type'] !== 'string');
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

const readCell = (cell: Fields, index: number, taken: Set<string>): Cell => {
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
};

const [quote, backslash, comma] = [0x22, 0x5c, 0x2c];
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d];

/**
 * Cuts a notebook's JSON text into those of its cells and the rest, in which their list is empty. What is no JSON shows when a
 * piece is parsed.
 */
const splitCells = (onList: () => void, onCell: (text: string) => void) => {
  let [depth, inString, escaped] = [0, false, false];
  let inList = false;
  let found = 0;
  const rest: Buffer[] = [];
  let cell: Buffer[] = [];
  const textOf = (parts: readonly Buffer[]): string => Buffer.concat(parts).toString();
  const endCell = (last: boolean): void => {
    const text = textOf(cell);
    cell = [];
    if (last && found === 0 && text.trim() === '') return;
    found += 1;
    onCell(text);
  };
  return {
    feed: (bytes: Buffer): void => {
      let from = 0;
      for (let at = 0; at < bytes.length; at++) {
        const byte = bytes[at];
        if (inString) {
          if (escaped) escaped = false;
          else if (byte === backslash) escaped = true;
          else if (byte === quote) inString = false;
        } else if (byte === quote) inString = true;
        else if (inList && depth === 2 && (byte === comma || byte === closeList)) {
          cell.push(bytes.subarray(from, at));
          endCell(byte === closeList);
          inList = byte === comma;
          from = inList ? at + 1 : at;
          if (!inList) depth -= 1;
        } else if (byte === openList || byte === openObject) {
          depth += 1;
          if (byte !== openList || depth !== 2) continue;
          const before = textOf([...rest, bytes.subarray(from, at)]);
          if (!/"cells"\s*:\s*$/.test(before.slice(-200))) continue;
          rest.push(bytes.subarray(from, at + 1));
          from = at + 1;
          [inList, found] = [true, 0];
          onList();
        } else if (byte === closeList || byte === closeObject) depth -= 1;
      }
      (inList ? cell : rest).push(bytes.subarray(from));
    },
    end: (): string => {
      if (inList) throw new SyntaxError('Unexpected end of JSON input');
      return textOf(rest);
    },
  };
};

/**
 * Reads a notebook of nbformat 4 from pieces of its file, a cell at a time: its text is never in memory as a whole. Cells of
 * minor versions before 5 get stable ids.
 * @param keep what is held of a cell until the end; by default all
 * @throws Fault on anything else
 */
export const notebookParser = (
  name: string,
  keep: (cell: Cell) => Cell = (cell) => cell,
): { feed: (bytes: Buffer) => void; end: () => Notebook } => {
  const cells: Cell[] = [];
  const faults: string[] = [];
  const taken = new Set<string>();
  let lists = 0;
  let areCells = true;
  let isDeep = false;
  let wrong: unknown;
  const parsed = (text: string): unknown => {
    const value: unknown = JSON.parse(text);
    isDeep ||= isDeeperThan(deepest, value);
    return value;
  };
  const onCell = (text: string): void => {
    const value = parsed(text);
    areCells &&= isCell(value);
    if (isDeep || !isCell(value)) return;
    const index = cells.length;
    const fault = faultOf(value);
    if (fault !== undefined)
      faults.push(`notebook: ${name}: cell ${index + faults.length + 1}: ${fault}; mend the file`);
    else cells.push(keep(readCell(value, index, taken)));
  };
  const onList = (): void => {
    lists += 1;
  };
  const { feed, end } = splitCells(onList, onCell);
  return {
    feed: (bytes) => {
      if (wrong !== undefined) return;
      try {
        feed(bytes);
      } catch (error) {
        wrong = error;
      }
    },
    end: () => {
      let raw: Fields;
      try {
        if (wrong !== undefined) throw wrong;
        raw = parsed(end()) as Fields;
      } catch (error) {
        throw new Fault(`notebook: ${name}: not JSON (${reason(error)}); give an .ipynb file`);
      }
      if (isDeep)
        throw new Fault(
          `notebook: ${name}: values lie in more than ${deepest} others; no notebook is so deep`,
        );
      if (typeof raw !== 'object' || raw === null || raw['nbformat'] !== 4)
        throw new Fault(
          `notebook: ${name}: nbformat ${String((raw as Fields | null)?.['nbformat'])}; convert it to nbformat 4 (jupyter nbconvert --to notebook)`,
        );
      if (lists > 1) throw new Fault(`notebook: ${name}: it has ${lists} lists of cells; keep one of them`);
      if (!areCells || !Array.isArray(raw['cells']) || raw['cells'].length > 0)
        throw new Fault(
          `notebook: ${name}: its cells are no list of code, markdown and raw cells; mend the file`,
        );
      refuse(faults);
      return {
        nbformat: 4,
        nbformat_minor: Math.max(5, Number(raw['nbformat_minor'] ?? 5)),
        metadata: (raw['metadata'] ?? {}) as Fields,
        cells,
      };
    },
  };
};

/** Reads a notebook's text, as {@link notebookParser} does. */
export const parseNotebook = (text: string, name: string): Notebook => {
  const parser = notebookParser(name);
  parser.feed(Buffer.from(text));
  return parser.end();
};
