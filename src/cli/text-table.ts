import { cellText, headingText, type Table } from '../evaluation/table.js';

/** Characters that a terminal shows one column wide each: combining marks have none of their own. */
const widthOf = (text: string): number => [...text.normalize('NFC')].length;

/** A table for a terminal: columns aligned, numbers to the right, the caption above and the notes below. */
export const textTable = ({ caption, columns, rows, notes = [] }: Table): string => {
  const head = columns.map(headingText);
  const body = rows.map(({ cells }) => cells.map((cell, c) => cellText(cell, columns[c])));
  const widths = head.map((label, c) => Math.max(...[label, ...body.map((row) => row[c])].map(widthOf)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, c) => {
        const gap = ' '.repeat(widths[c] - widthOf(cell));
        return columns[c].digits === undefined ? cell + gap : gap + cell;
      })
      .join('  ')
      .trimEnd();
  const table = [line(head), ...body.map(line)].join('\n');
  return [caption, table, notes.join('\n')].filter(Boolean).join('\n\n');
};
