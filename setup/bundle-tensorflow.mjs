// Bundles what the package uses of TensorFlow.js beside its core into dist/tensorflow: gradients and chained ops, which the
// core's build for Node leaves out, and the backends cpu and wasm. As dependencies, these would be 300 MB of builds for
// browsers and their source maps; the bundle is 3 MB. The core stays a dependency: its types are part of our interface.
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, 'dist', 'tensorflow');
const require = createRequire(import.meta.url);

const entries = {
  ops: `import '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/register_all_gradients.js';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js';
export * from '@tensorflow/tfjs-backend-cpu';`,
  wasm: `export * from '@tensorflow/tfjs-backend-wasm';`,
};

rmSync(target, { recursive: true, force: true });
mkdirSync(target, { recursive: true });
const bundled = new Set();
for (const [name, source] of Object.entries(entries)) {
  const bundle = await rolldown({
    input: `\0${name}`,
    platform: 'node',
    // one core for all: it is what tensors and kernels meet in
    external: ['@tensorflow/tfjs-core'],
    resolve: { mainFields: ['module', 'main'] },
    plugins: [
      {
        name: 'entry',
        resolveId: (id) => (id === `\0${name}` ? id : null),
        load: (id) => (id === `\0${name}` ? { code: source, moduleSideEffects: true } : null),
      },
    ],
    treeshake: { moduleSideEffects: true },
    logLevel: 'warn',
  });
  const { output } = await bundle.write({
    file: join(target, `${name}.cjs`),
    format: 'cjs',
    minify: true,
    comments: { legal: true, annotation: false, jsdoc: false },
  });
  for (const id of output.flatMap(({ moduleIds = [] }) => moduleIds)) {
    const [, name] = /.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(id) ?? [];
    if (name) bundled.add(name.replaceAll('\\', '/'));
  }
  await bundle.close();
}
const binaries = join(dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json')), 'wasm-out');
for (const name of readdirSync(binaries).filter((file) => file.endsWith('.wasm')))
  copyFileSync(join(binaries, name), join(target, name));
// setup/notices.mjs reads whose code this is
writeFileSync(join(target, 'bundled.json'), `${JSON.stringify([...bundled].sort())}\n`);
