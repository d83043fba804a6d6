import { printable } from '../fault.js';

/** A column: a heading, its unit if any, and how its numbers are written. */
export interface Column {
  label: string;
  unit?: string;
  /** Decimals shown; text columns have none. */
  digits?: number;
  /** Which values are best: they are set bold. */
  best?: 'low' | 'high';
}

/** A number, optionally with its interval or spread already written and a mark (such as `*`), or plain text. */
export type Cell = string | number | null | { value: number; spread?: string; mark?: string };

/** A row: a cell for each column. */
export interface Row {
  cells: Cell[];
  /** Bounds and references, such as the oracle, do not compete for bold. */
  competes?: boolean;
}

/** A table to be written as Markdown, CSV or LaTeX. */
export interface Table {
  caption: string;
  columns: Column[];
  rows: Row[];
  /** Lines below the table. */
  notes?: string[];
}

const numberOf = (cell: Cell): number | null =>
  typeof cell === 'number' ? cell : cell !== null && typeof cell === 'object' ? cell.value : null;

/** A column's heading with its unit. */
export const headingText = ({ label, unit }: Column): string =>
  printable(unit ? `${label} [${unit}]` : label);

/** A cell as one line of text, safe on a terminal; null and NaN are a dash. */
export const cellText = (cell: Cell, column: Column): string => {
  if (cell === null) return '–';
  if (typeof cell === 'string') return printable(cell);
  const value = numberOf(cell)!;
  // a value that rounds to 0 has no sign
  const text = Number.isFinite(value)
    ? value.toFixed(column.digits ?? 2).replace(/^-(0(\.0*)?)$/, '$1')
    : '–';
  if (typeof cell === 'number') return text;
  return [text, cell.spread].filter(Boolean).join(' ') + (cell.mark ?? '');
};

/** For each row and column: is this the best value of those that compete (ties as they are written included)? */
export const bestCells = ({ columns, rows }: Table): boolean[][] => {
  const best = columns.map((column, c) => {
    if (!column.best) return null;
    const texts = rows
      .filter((row) => row.competes !== false)
      .map((row) => numberOf(row.cells[c]))
      .filter((value): value is number => value !== null && Number.isFinite(value));
    if (texts.length < 2) return null;
    const value = column.best === 'low' ? Math.min(...texts) : Math.max(...texts);
    return value.toFixed(column.digits ?? 2);
  });
  return rows.map((row) =>
    row.cells.map((cell, c) => {
      const value = numberOf(cell);
      return (
        row.competes !== false &&
        best[c] !== null &&
        value !== null &&
        value.toFixed(columns[c].digits ?? 2) === best[c]
      );
    }),
  );
};
