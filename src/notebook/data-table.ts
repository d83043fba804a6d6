import { bestCells, cellText, type Table } from '../evaluation/table.js';
import type { MimeBundle } from './kernel-output.js';

/** A table ready to be shown: every cell a text. */
interface Grid {
  caption?: string;
  head: string[];
  rows: { cells: string[]; bold?: boolean[] }[];
  /** Columns of numbers, set to the right. */
  numeric: boolean[];
  notes: string[];
}

/** What a danfojs DataFrame or Series shows of itself; the library does not need danfojs for it. */
export interface DataFrameLike {
  readonly columns: readonly string[];
  readonly index: readonly (string | number)[];
  readonly values: readonly unknown[];
  readonly shape: readonly number[];
}

/** Rows of a frame that are shown; of longer ones the first and the last half of it. */
const mostRows = 40;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

export const isDataFrame = (value: unknown): value is DataFrameLike =>
  isObject(value) &&
  Array.isArray(value['columns']) &&
  Array.isArray(value['index']) &&
  Array.isArray(value['values']) &&
  Array.isArray(value['shape']);

export const isTable = (value: unknown): value is Table =>
  isObject(value) &&
  typeof value['caption'] === 'string' &&
  Array.isArray(value['columns']) &&
  Array.isArray(value['rows']) &&
  value['rows'].every((row) => isObject(row) && Array.isArray(row['cells']));

/** Plain records with the same kind of content: rows by another name. */
export const isRecords = (value: unknown): value is Record<string, unknown>[] =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((row) => isObject(row) && Object.getPrototypeOf(row) === Object.prototype) &&
  value.every((row) => Object.values(row as object).every((cell) => !isObject(cell) || cell instanceof Date));

/** Characters of a text that is kept on one line, so that names do not break in wide tables. */
const longestUnbroken = 36;

/** A value in a few characters: six digits of a number, nothing of what is missing. */
const shortText = (value: unknown): string => {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'number')
    return Number.isInteger(value) || !Number.isFinite(value)
      ? String(value)
      : String(Number(value.toPrecision(6)));
  if (value instanceof Date) return value.toISOString().replace(/T00:00:00\.000Z$/, '');
  return String(value);
};

const isNumeric = (column: readonly unknown[]): boolean =>
  column.some((value) => typeof value === 'number') &&
  column.every((value) => value === null || value === undefined || typeof value === 'number');

const gridOf = (
  head: readonly string[],
  index: readonly unknown[] | undefined,
  rows: readonly (readonly unknown[])[],
): Grid => {
  const half = mostRows / 2;
  const cut = rows.length > mostRows;
  const kept = cut
    ? [...rows.keys()].filter((row) => row < half || row >= rows.length - half)
    : [...rows.keys()];
  const all = (row: number): unknown[] => [...(index ? [index[row]] : []), ...rows[row]];
  const heads = [...(index ? [''] : []), ...head];
  const shown = kept.map((row) => ({ cells: all(row).map(shortText) }));
  const numeric = heads.map((_, column) => isNumeric(kept.map((row) => all(row)[column])));
  if (cut) shown.splice(half, 0, { cells: heads.map(() => '…') });
  return {
    head: heads,
    rows: shown,
    numeric,
    notes: cut ? [`${rows.length} rows × ${head.length} columns`] : [],
  };
};

const gridOfTable = (table: Table): Grid => {
  const best = bestCells(table);
  return {
    caption: table.caption,
    head: table.columns.map(({ label, unit }) => (unit ? `${label} (${unit})` : label)),
    rows: table.rows.map(({ cells }, row) => ({
      cells: cells.map((cell, column) => cellText(cell, table.columns[column])),
      bold: best[row],
    })),
    numeric: table.columns.map((_, column) =>
      table.rows.some(({ cells }) => typeof cells[column] !== 'string'),
    ),
    notes: table.notes ?? [],
  };
};

export const escapeHtml = (text: string): string =>
  text.replace(
    /[&<>"']/g,
    (letter) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' })[letter] as string,
  );

const html = ({ caption, head, rows, numeric, notes }: Grid): string => {
  const align = (column: number): string => {
    if (numeric[column]) return ' style="text-align:right"';
    const short = rows.every(({ cells }) => cells[column].length <= longestUnbroken);
    return ` style="text-align:left${short ? ';white-space:nowrap' : ''}"`;
  };
  const bold = (text: string, is: boolean | undefined): string => (is ? `<strong>${text}</strong>` : text);
  return [
    '<table class="dataframe" border="0">',
    ...(caption ? [`<caption>${escapeHtml(caption)}</caption>`] : []),
    `<thead><tr>${head.map((text, column) => `<th scope="col"${align(column)}>${escapeHtml(text)}</th>`).join('')}</tr></thead>`,
    '<tbody>',
    ...rows.map(
      (row) =>
        `<tr>${row.cells.map((text, column) => `<td${align(column)}>${bold(escapeHtml(text), row.bold?.[column])}</td>`).join('')}</tr>`,
    ),
    '</tbody></table>',
    ...notes.map((note) => `<p>${escapeHtml(note)}</p>`),
  ].join('\n');
};

const plainText = ({ caption, head, rows, numeric, notes }: Grid): string => {
  const widths = head.map((text, column) =>
    Math.max(text.length, ...rows.map(({ cells }) => cells[column].length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((text, column) => (numeric[column] ? text.padStart(widths[column]) : text.padEnd(widths[column])))
      .join('  ')
      .trimEnd();
  return [...(caption ? [caption] : []), line(head), ...rows.map(({ cells }) => line(cells)), ...notes].join(
    '\n',
  );
};

const bundle = (grid: Grid): MimeBundle => ({ 'text/html': html(grid), 'text/plain': plainText(grid) });

/** A danfojs DataFrame or Series as an HTML table, every cell escaped, and as text. */
export const dataFrameBundle = (frame: DataFrameLike): MimeBundle => {
  const rows = frame.values.map((row) => (Array.isArray(row) ? (row as unknown[]) : [row]));
  return bundle(gridOf(frame.columns, frame.index, rows));
};

/** A table of the evaluation, best values bold. */
export const tableBundle = (table: Table): MimeBundle => bundle(gridOfTable(table));

/** Records as a table: a column for every key that occurs. */
export const recordsBundle = (records: readonly Record<string, unknown>[]): MimeBundle => {
  const head = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return bundle(
    gridOf(
      head,
      undefined,
      records.map((record) => head.map((key) => record[key])),
    ),
  );
};
