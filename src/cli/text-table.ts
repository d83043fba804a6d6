import { bestCells, cellText, headingText, type Table } from '../evaluation/table.js';
import { printable } from '../fault.js';
import { type Paint, plain } from './terminal.js';

/** Characters that a terminal shows one column wide each: combining marks have none of their own. */
const lengthOf = (text: string): number => [...text.normalize('NFC')].length;

/**
 * A table for a terminal: columns aligned, numbers to the right, the caption above and the notes below; heads and best values
 * bold where `paint` paints.
 */
export const textTable = (table: Table, paint: Paint = plain): string => {
  const { caption, columns, rows, notes = [] } = table;
  const head = columns.map(headingText);
  const body = rows.map(({ cells }) => cells.map((cell, c) => cellText(cell, columns[c])));
  const best = bestCells(table);
  const widths = head.map((label, c) => Math.max(...[label, ...body.map((row) => row[c])].map(lengthOf)));
  const line = (cells: readonly string[], isBold: (column: number) => boolean): string =>
    cells
      .map((cell, c) => {
        const gap = ' '.repeat(widths[c] - lengthOf(cell));
        const text = isBold(c) ? paint('bold', cell) : cell;
        if (columns[c].digits !== undefined) return gap + text;
        return c === cells.length - 1 ? text : text + gap;
      })
      .join('  ')
      .trimEnd();
  const lines = [line(head, () => true), ...body.map((row, r) => line(row, (c) => best[r][c]))].join('\n');
  return [printable(caption), lines, notes.map(printable).join('\n')].filter(Boolean).join('\n\n');
};
