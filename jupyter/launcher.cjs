// Jupyter starts this file: `node launcher.cjs CONNECTION_FILE`. The kernel itself is compiled from src/notebook/kernel.
const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

const kernel = join(__dirname, '..', 'dist', 'notebook', 'kernel', 'main.js');
if (!existsSync(kernel)) {
  process.stderr.write(
    `bandalign: kernel: ${kernel} is missing; run \`npm run build\` in ${join(__dirname, '..')}\n`,
  );
  process.exit(1);
}
import(pathToFileURL(kernel).href);
