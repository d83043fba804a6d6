import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Acquisition, Catalog } from './acquisition.js';
import { tileName } from './acquisition.js';
import { parseTime } from './days.js';
import type { ReadContext } from './fields.js';
import { platformName } from './sensors.js';

const fileForm = /^(.+)_(\d{8})-\d+-\d+\.tiff?$/i;

const foldersIn = async (path: string): Promise<string[]> =>
  (await readdir(path, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map(({ name }) => name)
    .sort();

/**
 * Reads acquisitions from a dataset in the paper's layout, `<root>/<Region>/<sensor>/<tile>_<date>-<i>-<j>.tif`:
 * one for each tile, date and sensor folder (`S2`, `GF1`), however many patches it was cut into. `mask` folders are
 * skipped. File names tell no cloud: each counts as clear, which a note says.
 */
export const readPaperLayout = async (root: string, context: ReadContext): Promise<Catalog> => {
  const found = new Map<string, Acquisition>();
  let looked = 0;
  for (const region of await foldersIn(root)) {
    for (const folder of await foldersIn(join(root, region)).catch(() => [])) {
      const platform = platformName(folder, context.named);
      if (platform === null) continue;
      looked += 1;
      for (const file of (await readdir(join(root, region, folder))).sort()) {
        if (!/\.tiff?$/i.test(file)) continue;
        const where = join(root, region, folder, file);
        const match = fileForm.exec(file);
        const time = match && parseTime(match[2]);
        if (match === null)
          context.faults.push(`${where}: file name is no patch's; expected tile_YYYYMMDD-i-j.tif`);
        else if (time === null) context.faults.push(`${where}: date ${match[2]}; no such day`);
        else {
          const tile = tileName(match[1]);
          found.set(`${tile}/${match[2]}/${platform}`, {
            tile,
            platform,
            time,
            clear: null,
          });
        }
      }
    }
  }
  const acquisitions = [...found.values()];
  if (looked === 0)
    context.faults.push(
      `${root}: no REGION/SENSOR folders; give the root of a dataset in the paper's layout`,
    );
  else if (acquisitions.length === 0)
    context.faults.push(`${root}: the dataset holds no patches; give one with at least one`);
  const notes =
    acquisitions.length > 0
      ? [
          `${basename(root)}: file names tell no cloud; all ${acquisitions.length} acquisitions count as clear`,
        ]
      : [];
  return { acquisitions, outlines: new Map(), simulated: false, notes };
};
