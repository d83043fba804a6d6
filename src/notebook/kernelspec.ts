import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { writeJson } from '../files.js';
import { launcherPath, packageRoot } from './package-root.js';

/** A folder that serves as JUPYTER_PATH: Jupyter then finds the kernel without any install. */
export const jupyterPath = join(packageRoot, 'jupyter');

/** Where Jupyter looks for a user's kernels (`jupyter --paths`, data). */
const userDataFolder = (): string => {
  const set = process.env['JUPYTER_DATA_DIR'];
  if (set) return set;
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Jupyter');
  if (process.platform === 'win32')
    return join(process.env['APPDATA'] ?? join(homedir(), 'AppData', 'Roaming'), 'jupyter');
  return join(process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'jupyter');
};

/**
 * Registers the kernel with absolute paths of this Node and this package.
 * @param prefix a Python environment (kernels go to `PREFIX/share/jupyter/kernels`); without it, the user's own folder
 * @returns the kernelspec's folder
 */
export const installKernel = async (prefix?: string): Promise<string> => {
  const data = prefix === undefined ? userDataFolder() : join(resolve(prefix), 'share', 'jupyter');
  const folder = join(data, 'kernels', 'bandalign');
  const spec = JSON.parse(
    await readFile(join(jupyterPath, 'kernels', 'bandalign', 'kernel.json'), 'utf8'),
  ) as Record<string, unknown>;
  await writeJson(join(folder, 'kernel.json'), {
    ...spec,
    argv: [process.execPath, launcherPath, '{connection_file}'],
  });
  return folder;
};
