import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Fault } from '../fault.js';
import { packageRequire, packageRoot } from './package-root.js';

/**
 * Where `bandalign setup notebooks` puts what notebooks run on and nothing else needs (tslab, TypeScript, ZeroMQ):
 * BANDALIGN_NOTEBOOKS, or `.notebooks` in the package's folder.
 */
export const notebookFolder = process.env['BANDALIGN_NOTEBOOKS'] || join(packageRoot, '.notebooks');

const folderRequire = createRequire(join(notebookFolder, 'package.json'));

/**
 * The path of a package that notebooks run on, or of a file in it: of a checkout or the project around the package, else of
 * the setup's folder.
 *
 * @throws Fault where it is in neither
 */
export const resolveForNotebooks = (id: string): string => {
  for (const { resolve } of [packageRequire, folderRequire])
    try {
      return resolve(id);
    } catch {
      // the next place
    }
  throw new Fault(
    `notebooks: ${id.split('/')[0]} is not installed; run npx bandalign setup notebooks (60 MB, once)`,
  );
};

/** Loads what {@link resolveForNotebooks} finds. `Exports` is the caller's word for what it exports. */
export const requireForNotebooks = <Exports>(id: string): Exports =>
  packageRequire(resolveForNotebooks(id)) as Exports;
