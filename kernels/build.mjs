// Compiles each kernels/*.entry.ts (AssemblyScript) to dist/kernels/NAME.wasm; says nothing when all is well and
// does nothing for outputs that are newer than their sources. An entry's comment lines
//     // asc NAME: extra flags of asc
// name its outputs, one a line; without any, NAME is the file's name and there are no extra flags.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = dirname(fileURLToPath(import.meta.url));
const root = dirname(folder);
const target = join(root, 'dist', 'kernels');

// Memory is planned by the host and handed in, so that it may be shared, viewed and grown there; no runtime, no heap.
const common = ['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'simd'];

const modified = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** A kernel file and all files it imports. */
const sources = (path, seen = new Set()) => {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const [, name] of readFileSync(path, 'utf8').matchAll(/from\s+['"](\.[^'"]+)['"]/g))
    sources(resolve(dirname(path), `${name.replace(/\.ts$/, '')}.ts`), seen);
  return seen;
};

const outputs = (entry) => {
  const named = [...readFileSync(entry, 'utf8').matchAll(/^\/\/ asc ([\w-]+):(.*)$/gm)];
  if (named.length === 0) return [{ name: /([^/\\]+)\.entry\.ts$/.exec(entry)[1], flags: [] }];
  return named.map(([, name, flags]) => ({ name, flags: flags.trim().split(/\s+/).filter(Boolean) }));
};

const compile = async (entry, output, flags) => {
  const { default: asc } = await import('assemblyscript/asc');
  const partial = `${output}.${process.pid}.tmp`;
  const local = (path) => relative(root, path).replaceAll('\\', '/');
  const { error, stderr } = await asc.main(
    [local(entry), '-o', local(partial), '--baseDir', root, ...common, ...flags],
    {},
  );
  if (error) {
    rmSync(partial, { force: true });
    throw new Error(`${local(entry)}: ${stderr.toString().trim() || error.message}`);
  }
  renameSync(partial, output);
};

const toolchain = [
  fileURLToPath(import.meta.url),
  join(root, 'node_modules', 'assemblyscript', 'package.json'),
];
mkdirSync(target, { recursive: true });
try {
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.entry.ts'))
    .sort()) {
    const entry = join(folder, file);
    const newest = Math.max(...[...sources(entry), ...toolchain].map(modified));
    for (const { name, flags } of outputs(entry)) {
      const output = join(target, `${name}.wasm`);
      if (modified(output) <= newest) await compile(entry, output, flags);
    }
  }
} catch (error) {
  console.error(`kernels: ${error.message}`);
  process.exitCode = 1;
}
