import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface CellSketch {
  source: string;
  tags?: string[];
  markdown?: boolean;
  outputs?: object[];
}

/** Text of an .ipynb file with these cells; a plain string is a code cell. */
export const notebookJson = (cells: readonly (string | CellSketch)[]): string =>
  JSON.stringify({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {
      kernelspec: { name: 'bandalign', display_name: 'TypeScript (bandalign)', language: 'typescript' },
    },
    cells: cells.map((cell, index) => {
      const {
        source,
        tags = [],
        markdown = false,
        outputs = [],
      } = typeof cell === 'string' ? { source: cell } : cell;
      const base = { id: `cell-${index}`, metadata: tags.length > 0 ? { tags } : {}, source };
      return markdown
        ? { cell_type: 'markdown', ...base }
        : { cell_type: 'code', ...base, outputs, execution_count: outputs.length > 0 ? index + 1 : null };
    }),
  });

/** A folder that is removed when `use` has ended. */
export const inFolder = async <T>(use: (folder: string) => Promise<T>): Promise<T> => {
  const folder = await mkdtemp(join(tmpdir(), 'bandalign-notebook-'));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

export const writeNotebookFile = async (
  folder: string,
  name: string,
  cells: readonly (string | CellSketch)[],
): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, notebookJson(cells));
  return path;
};
