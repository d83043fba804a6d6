// Compiles the experiments of the package to dist/packaged, so that running one needs no compiler. Each output begins with
// the SHA-256 of its sources: where one has changed since, the source is run instead (src/experiments/load.ts).
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const folder = dirname(fileURLToPath(import.meta.url));
const dist = join(dirname(folder), 'dist');
const target = join(dist, 'packaged');

/** A file and all files of the package that it imports. */
const sources = (path, seen = new Set()) => {
  if (seen.has(path)) return seen;
  seen.add(path);
  for (const [, name] of readFileSync(path, 'utf8').matchAll(/from '(\.[^']+)\.js'/g))
    sources(resolve(dirname(path), `${name}.ts`), seen);
  return seen;
};

const digest = (path) => createHash('sha256').update(readFileSync(path)).digest('hex');
const slashed = (path) => path.split(sep).join('/');

rmSync(target, { recursive: true, force: true });
for (const name of readdirSync(folder, { recursive: true }).filter((file) => file.endsWith('.ts'))) {
  const path = join(folder, name);
  const output = join(target, name.replace(/\.ts$/, '.js'));
  const { outputText } = ts.transpileModule(readFileSync(path, 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, removeComments: true },
  });
  const authoring = slashed(relative(dirname(output), join(dist, 'experiments', 'authoring.js')));
  const digests = [...sources(path)].map((file) => [slashed(relative(folder, file)), digest(file)]);
  mkdirSync(dirname(output), { recursive: true });
  writeFileSync(
    output,
    `// ${JSON.stringify(Object.fromEntries(digests))}\n${outputText.replaceAll("from 'bandalign'", `from '${authoring}'`)}`,
  );
}
