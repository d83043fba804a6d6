import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of this package: the checkout, or `node_modules/bandalign` where it is installed. */
export const packageRoot = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '');

/** `require` that sees this package's own dependencies, whatever the working directory. */
export const packageRequire = createRequire(join(packageRoot, 'package.json'));

/** What Jupyter runs. */
export const launcherPath = join(packageRoot, 'jupyter', 'launcher.cjs');
