import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { runInThisContext } from 'node:vm';
import { createJiti } from 'jiti';
import { afterAll, expect, test } from 'vitest';
import { definedIn, registry } from '../../src/config/definitions.js';

const folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

interface Greeting {
  name: string;
  text: string;
}

const builtIn: Greeting = { name: 'hello', text: 'Hello' };
const greetings = () => registry('metric', 'name', [builtIn]);

/** Runs a TypeScript file as experiments are run, `bandalign` in it being `module`. */
const run = (path: string, module: object): Promise<unknown> =>
  createJiti(import.meta.url, {
    virtualModules: { bandalign: module },
    fsCache: false,
    moduleCache: false,
  }).import(path, { default: true });

/** A notebook cell: code without a file. */
const cell = (code: string): unknown => runInThisContext(code);

test('the file that defines is that of the nearest caller outside the package', async () => {
  expect(definedIn()).toBe(fileURLToPath(import.meta.url));
  const typed = write(
    'typed.ts',
    "import { where } from 'bandalign'; const at: string | null = where(); export default at;",
  );
  expect(await run(typed, { where: definedIn })).toBe(typed);
  const compiled = write('compiled.mjs', 'export default (where) => where();');
  const { default: call } = await import(/* @vite-ignore */ pathToFileURL(compiled).href);
  expect(call(definedIn)).toBe(compiled);
});

test('a notebook cell and eval have no file', () => {
  const call = cell('(where) => where()') as (where: () => unknown) => unknown;
  expect(call(definedIn)).toBeNull();
  // biome-ignore lint/security/noGlobalEval: it is what is tested
  const evaluate = globalThis.eval;
  expect(evaluate('(where) => where()')(definedIn)).toBeNull();
});

test('what a file defines is listed behind what is built in, with the file and its digest', async () => {
  const known = greetings();
  const path = write(
    'own.ts',
    "import { define } from 'bandalign'; export default define({ name: 'good-day', text: 'Good day' });",
  );
  const own = await run(path, known);
  expect(known.list()).toEqual([builtIn, own]);
  expect([known.get('good-day'), known.get('hello'), known.get('bye')]).toEqual([own, builtIn, undefined]);
  expect([known.isBuiltIn('hello'), known.isBuiltIn('good-day')]).toEqual([true, false]);
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
  expect(known.origin('good-day')).toEqual({ file: path, digest });
  expect(known.origin('hello')).toBeNull();
});

test('the same file may define a name again, another may not', async () => {
  const known = greetings();
  const text = (word: string): string =>
    `import { define } from 'bandalign'; export default define({ name: 'own', text: '${word}' });`;
  const path = write('again.ts', text('first'));
  await run(path, known);
  write('again.ts', text('second'));
  await run(path, known);
  expect(known.get('own')?.text).toBe('second');
  expect(known.list()).toHaveLength(2);
  expect(known.origin('own')?.digest).toBe(createHash('sha256').update(text('second')).digest('hex'));
  await expect(run(write('other.ts', text('third')), known)).rejects.toThrow(
    `metric: own; ${path} defines it already, choose another name`,
  );
  expect(known.get('own')?.text).toBe('second');
});

test('a notebook cell may be run again; a file may not take its name', () => {
  const known = greetings();
  const define = cell('(define, text) => define({ name: "own", text })') as (
    define: (greeting: Greeting) => Greeting,
    text: string,
  ) => Greeting;
  define(known.define, 'first');
  expect(define(known.define, 'second')).toBe(known.get('own'));
  expect([known.get('own')?.text, known.origin('own')]).toEqual(['second', null]);
  expect(() => known.define({ name: 'own', text: 'third' })).toThrow(
    'metric: own; a notebook cell defines it already, choose another name',
  );
});

test('a name that is built in, or malformed, is refused', () => {
  const { define } = greetings();
  expect(() => define({ name: 'hello', text: '' })).toThrow(
    /^metric: hello; exists already, choose another name$/,
  );
  for (const name of ['', 'Own', '1st', 'my metric', 'a_b', '../x', undefined as unknown as string])
    expect(() => define({ name, text: '' })).toThrow(
      /^metric: .*; name it with lower-case letters, digits and dashes, a letter first$/,
    );
});
