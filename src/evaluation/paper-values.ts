import { readFile } from 'node:fs/promises';
import { didYouMean } from '../config/spelling.js';
import { Fault, reason, refuse } from '../fault.js';

/** Values that a person took from a publication. */
export interface PaperValues {
  /** The file that they are from. */
  source: string;
  /** Columns, in the order of their first use. */
  columns: string[];
  /** Decimals to show: as many as the file's values have. */
  digits: (column: string) => number;
  /** null where the file says nothing of it. */
  value: (row: string, column: string) => number | null;
  /** Labels of the rows that the file names. */
  rows: string[];
}

const decimals = (value: number): number => String(value).split('.')[1]?.length ?? 0;

/**
 * Reads published values: `{ "<row label>": { "RMSE blue": 12.3, … }, … }`.
 * @throws Fault with everything in the file that is not of this form
 */
export const readPaperValues = async (path: string): Promise<PaperValues> => {
  let rows: Record<string, Record<string, number>>;
  try {
    rows = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Fault(`--paper: ${path}; cannot be read as JSON (${reason(error)})`);
  }
  const isObject = (value: unknown): boolean =>
    value !== null && typeof value === 'object' && !Array.isArray(value);
  if (!isObject(rows)) throw new Fault(`--paper: ${path}; write { "row": { "column": value } }`);
  refuse(
    Object.entries(rows).flatMap(([row, values]) =>
      isObject(values)
        ? Object.entries(values)
            .filter(([, value]) => typeof value !== 'number' || !Number.isFinite(value))
            .map(([column, value]) => `--paper: ${row}, ${column}; ${JSON.stringify(value)} is no number`)
        : [`--paper: ${row}; ${JSON.stringify(values)}, write { "column": value }`],
    ),
  );
  const columns = [...new Set(Object.values(rows).flatMap(Object.keys))];
  return {
    source: path,
    columns,
    digits: (column) => Math.max(...Object.values(rows).map((values) => decimals(values[column] ?? 0))),
    value: (row, column) => rows[row]?.[column] ?? null,
    rows: Object.keys(rows),
  };
};

/** @throws Fault for rows of the file that a table does not have: mostly, labels are misspelt */
export const checkPaperRows = ({ rows, source }: PaperValues, labels: readonly string[]): void =>
  refuse(
    rows
      .filter((row) => !labels.includes(row))
      .map(
        (row) =>
          `--paper: ${source}; no row ${row}, ${didYouMean(row, labels)}there are ${labels.join('; ')}`,
      ),
  );
