import { join } from 'node:path';
import { printable } from '../fault.js';
import { writeAtomic } from '../files.js';
import { bestCells, type Cell, type Column, cellText, headingText, type Table } from './table.js';

const isNumber = (column: Column): boolean => column.digits !== undefined;

/** GitHub Markdown, best values bold. */
export const markdownTable = (table: Table): string => {
  const best = bestCells(table);
  // a bar ends a cell, and a tag would be one of the page's
  const guard = (text: string): string => text.replaceAll('|', '\\|').replace(/<(?=[a-z!/?])/gi, '\\<');
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`;
  return [
    `**${printable(table.caption)}**`,
    '',
    line(table.columns.map((column) => guard(headingText(column)))),
    line(table.columns.map((column) => (isNumber(column) ? '---:' : '---'))),
    ...table.rows.map((row, r) =>
      line(
        row.cells.map((cell, c) => {
          const text = guard(cellText(cell, table.columns[c]));
          return best[r][c] ? `**${text}**` : text;
        }),
      ),
    ),
    ...(table.notes?.length ? ['', ...table.notes.map((note) => `${printable(note)}  `)] : []),
    '',
  ].join('\n');
};

const csvCell = (cell: Cell): string => {
  const text =
    cell === null
      ? ''
      : typeof cell === 'object'
        ? String(cell.value)
        : typeof cell === 'number'
          ? String(cell)
          : // a spreadsheet computes what begins like a formula
            printable(cell).replace(/^[=+@-]/, (sign) => (Number.isNaN(Number(cell)) ? `'${sign}` : sign));
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** Spread and mark of a number. */
const extra = (cell: Cell): string =>
  cell !== null && typeof cell === 'object' ? [cell.spread, cell.mark].filter(Boolean).join(' ') : '';

/** CSV (RFC 4180) at full precision. A column with spreads or marks is followed by one that holds them. */
export const csvTable = ({ columns, rows }: Table): string => {
  const spreads = columns.map((_, c) => rows.some(({ cells }) => extra(cells[c]) !== ''));
  const header = columns.flatMap((column, c) => [
    headingText(column),
    ...(spreads[c] ? [`${column.label} spread`] : []),
  ]);
  const lines = rows.map(({ cells }) =>
    cells.flatMap((cell, c) => [csvCell(cell), ...(spreads[c] ? [csvCell(extra(cell))] : [])]),
  );
  return `${[header.map(csvCell), ...lines].map((line) => line.join(',')).join('\n')}\n`;
};

const latexText = (text: string): string =>
  printable(text)
    .replace(/[\\&%$#_{}]/g, (sign) => (sign === '\\' ? '\\textbackslash{}' : `\\${sign}`))
    .replaceAll('~', '\\textasciitilde{}')
    .replaceAll('^', '\\textasciicircum{}')
    .replaceAll('λ', '$\\lambda$')
    .replaceAll('²', '$^2$')
    .replaceAll('ⁿˢ', '$^{ns}$')
    .replaceAll('Δ', '$\\Delta$')
    .replaceAll('−', '$-$')
    .replaceAll('<', '$<$')
    .replaceAll('>', '$>$')
    .replaceAll('±', '$\\pm$')
    .replaceAll('×', '$\\times$')
    .replaceAll('–', '--');

/** A LaTeX `table` for the booktabs package. */
export const latexTable = (table: Table): string => {
  const best = bestCells(table);
  const line = (cells: string[]): string => `  ${cells.join(' & ')} \\\\`;
  return [
    '\\begin{table}',
    '\\centering',
    `\\caption{${latexText(table.caption)}}`,
    `\\begin{tabular}{${table.columns.map((column) => (isNumber(column) ? 'r' : 'l')).join('')}}`,
    '  \\toprule',
    line(table.columns.map((column) => latexText(headingText(column)))),
    '  \\midrule',
    ...table.rows.map((row, r) =>
      line(
        row.cells.map((cell, c) => {
          const text = latexText(cellText(cell, table.columns[c]));
          return best[r][c] ? `\\textbf{${text}}` : text;
        }),
      ),
    ),
    '  \\bottomrule',
    '\\end{tabular}',
    ...(table.notes ?? []).map((note) => `\\\\[0.5ex] {\\footnotesize ${latexText(note)}}`),
    '\\end{table}',
    '',
  ].join('\n');
};

/** Writes a table as `<folder>/<name>.md`, `.csv` and `.tex`, each whole or not at all. The same table gives the same bytes. */
export const writeTables = async (name: string, folder: string, table: Table): Promise<void> => {
  await writeAtomic(join(folder, `${name}.md`), markdownTable(table));
  await writeAtomic(join(folder, `${name}.csv`), csvTable(table));
  await writeAtomic(join(folder, `${name}.tex`), latexTable(table));
};
