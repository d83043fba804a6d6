import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/notebook/package-root.js';

/** Kernels are separate programs and run what was compiled: tests of them refuse a build older than its sources. */
export const requireBuild = (): void => {
  for (const folder of ['notebook', 'notebook/kernel', 'figures/static']) {
    for (const name of readdirSync(join(packageRoot, 'src', folder)).filter((file) => file.endsWith('.ts'))) {
      const source = join(packageRoot, 'src', folder, name);
      const built = join(packageRoot, 'dist', folder, name.replace(/\.ts$/, '.js'));
      if (!existsSync(built) || statSync(built).mtimeMs < statSync(source).mtimeMs)
        throw new Error(`${built} is older than its source; run \`npm run build\` before the tests`);
    }
  }
};
