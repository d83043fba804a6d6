import { join } from 'node:path';
import { writeAtomic } from '../files.js';
import { csvTable, latexTable, markdownTable } from './render-table.js';
import type { Table } from './table.js';

/** Writes a table as `<folder>/<name>.md`, `.csv` and `.tex`; the same table gives the same bytes. */
export const writeTables = async (name: string, folder: string, table: Table): Promise<void> => {
  await writeAtomic(join(folder, `${name}.md`), markdownTable(table));
  await writeAtomic(join(folder, `${name}.csv`), csvTable(table));
  await writeAtomic(join(folder, `${name}.tex`), latexTable(table));
};
