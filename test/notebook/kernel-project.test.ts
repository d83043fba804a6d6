import { mkdir, mkdtemp, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireBuild } from './built.js';
import { type Conversation, converse, resultOf, textOf } from './kernel-conversation.js';

requireBuild();

/** A kernel of a project whose files change while it runs, as they do beside a notebook that somebody works in. */
describe('the project of a notebook', () => {
  let folder: string;
  let conversation: Conversation;
  let execute: Conversation['execute'];
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), text);
  };
  const result = async (code: string): Promise<unknown> => {
    const ran = await execute(code);
    return resultOf(ran) ?? ran.reply['evalue'];
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bandalign-project-'));
    await write('package.json', JSON.stringify({ name: 'study', type: 'module' }));
    await write(
      'tsconfig.json',
      '{ "compilerOptions": { /* names */ "paths": { "@lib/*": ["./lib/*"], "study": ["./lib/gain.ts"] } } }',
    );
    await write('lib/gain.ts', 'export const gain: number = 1;\n');
    await write('lib/scale.ts', "import { gain } from '@lib/gain';\nexport const scale = () => gain * 10;\n");
    await write('lib/index.ts', "export * from './scale.ts';\n");
    await write('lib/bands.json', '{ "red": 1 }');
    await write('lib/plain.js', 'export const twice = (x) => 2 * x;\n');
    await write('node_modules/untyped/package.json', '{ "name": "untyped", "version": "1.0.0" }');
    await write('node_modules/untyped/index.js', 'exports.answer = 42;');
    conversation = await converse(folder);
    execute = conversation.execute;
  }, 120_000);

  afterAll(async () => {
    await conversation.kernel.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('may be written to at any time: every cell is answered, and variables stay', async () => {
    expect(await result("import bands from './lib/bands.json';\nlet kept = bands.red; kept")).toBe('1');
    for (let round = 0; round < 5; round++) {
      await write(`.ipynb_checkpoints/save-${round}.json`, '{}');
      await write(`node_modules/round-${round}/package.json`, `{ "name": "round-${round}" }`);
      await write(`note-${round}.ts`, 'export {};');
      await write('lib/bands.json', JSON.stringify({ red: round + 2 }));
      await new Promise((resolve) => setTimeout(resolve, 60));
      expect(await result('kept += 1; kept')).toBe(String(round + 2));
    }
  });

  it('reads a module anew when a cell imports it: TypeScript, what imports it, JSON, JavaScript', async () => {
    const cell = [
      "import { gain } from './lib/gain';",
      "import { scale } from '@lib/scale';",
      "import bands from './lib/bands.json';",
      "import { twice } from './lib/plain.js';",
      '[gain, scale(), bands.red, twice(1)].join(" ")',
    ].join('\n');
    expect(await result(cell)).toBe('1 10 6 2');
    await write('lib/gain.ts', 'export const gain: number = 2;\n');
    await write('lib/bands.json', '{ "red": 7 }');
    await write('lib/plain.js', 'export const twice = (x) => 4 * x;\n');
    expect(await result(cell)).toBe('2 20 7 4');
    await unlink(join(folder, 'lib/gain.ts'));
    expect(await result(cell)).toContain("Cannot find module './lib/gain'");
    await write('lib/gain.ts', 'export const gain: number = 3;\n');
    expect(await result(cell)).toBe('3 30 7 4');
  });

  it('keeps the state of a module that has not changed', async () => {
    await write('lib/counter.ts', 'let count = 0;\nexport const next = () => ++count;\n');
    const cell = "import { next } from './lib/counter'; next()";
    expect(await result(cell)).toBe('1');
    await write('lib/other.ts', 'export {};');
    expect(await result(cell)).toBe('2');
  });

  it('may import a package that was installed since the last cell', async () => {
    const cell = "import { late } from 'installed-late'; late + 1";
    const before = await execute(cell);
    expect(before.status).toBe('error');
    expect((before.reply['traceback'] as string[]).join('\n')).toContain('npm install installed-late');
    await write(
      'node_modules/installed-late/package.json',
      '{ "name": "installed-late", "types": "i.d.ts" }',
    );
    await write('node_modules/installed-late/index.js', 'exports.late = 1;');
    await write('node_modules/installed-late/i.d.ts', 'export declare const late: number;');
    expect(await result(cell)).toBe('2');
    expect(await result("import { late as again } from 'npm:installed-late@^1.0'; again")).toBe('1');
  });

  it('warns once of a package without types, and uses types that were installed since', async () => {
    const cell = "import { answer } from 'untyped'; answer";
    const first = await execute(cell);
    expect(textOf(first, 'stderr')).toMatch(/^warning: untyped: no types/);
    expect(resultOf(first)).toBe('42');
    expect(textOf(await execute(cell), 'stderr')).toBe('');
    await write(
      'node_modules/@types/untyped/package.json',
      '{ "name": "@types/untyped", "types": "i.d.ts" }',
    );
    await write('node_modules/@types/untyped/i.d.ts', 'export declare const answer: string;');
    expect(await result(`${cell}; const wrong: number = answer;`)).toContain("'string' is not assignable");
  });

  it('is imported by the names of its tsconfig, by a folder, and with or without .ts', async () => {
    expect(await result("import { scale } from './lib'; scale()")).toBe('30');
    expect(await result("import { scale } from './lib/index.ts'; scale()")).toBe('30');
    expect(await result("(await import('@lib/scale')).scale()")).toBe('30');
  });

  it('survives modules that cannot be compiled or loaded', async () => {
    await write('lib/broken.ts', 'export const = ;');
    expect((await execute("import './lib/broken';")).status).toBe('error');
    await write('lib/broken.ts', "throw new Error('while loading');\nexport {};\n");
    expect(await result("import './lib/broken';")).toBe('while loading');
    await write('lib/broken.ts', 'export const fine = 1;\n');
    expect(await result("import { fine } from './lib/broken'; fine")).toBe('1');
    await write('lib/needs.mjs', "import 'nothing-of-this-name';\n");
    expect((await execute("import './lib/needs.mjs'; import { gain } from './lib/gain';")).status).toBe(
      'error',
    );
    expect(await result("import { gain } from './lib/gain'; gain")).toBe('3');
  });

  it('answers a cell that throws what cannot be shown', async () => {
    const ran = await execute('throw { get name(): string { throw new Error("no"); }, toString: null };');
    expect(ran.status).toBe('error');
    expect(await result('({ toMimeBundle: () => { throw new RangeError("no picture"); } })')).toBe(
      'no picture',
    );
    expect((await execute('({ toMimeBundle: () => ({ "text/plain": 1n }) })')).status).toBe('error');
  });

  it('interrupts a compilation that takes for ever, and keeps the variables', async () => {
    await execute('let before = 5;');
    const endless =
      'type Deep<N extends number, T extends unknown[] = []> = T["length"] extends N ? T : Deep<N, [...T, 0]>;\n' +
      Array.from(
        { length: 400 },
        (_, index) =>
          `type D${index} = Deep<${900 - index}>; declare const d${index}: D${index}; const e${index}: string = d${index};`,
      ).join('\n');
    const running = execute(endless);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await conversation.kernel.interrupt();
    expect((await running).reply['status']).toBe('error');
    expect(await result('before')).toBe('5');
  }, 60_000);

  it('marks the whole of what the compiler complains about', async () => {
    const { reply } = await execute('const wrongName: string = 5;');
    expect(reply['traceback']).toContain('    |       ^^^^^^^^^');
  });

  it.each([
    ['scale?', 'Shift+Tab'],
    ['%timeit f()', 'performance.now()'],
    ['%matplotlib inline', 'leave it out'],
    ['!npm install lodash', 'run npm install lodash'],
    ['%pip install numpy', 'run npm install numpy'],
    ["!ls 'a b'", "execSync('ls \\'a b\\''"],
    ['%%bash\nls', 'execSync'],
  ])('says what to type instead of %s', async (code, advice) => {
    const { reply } = await execute(code);
    expect(reply).toMatchObject({ status: 'error', ename: 'NotTypeScript' });
    expect(reply['evalue']).toContain(advice);
  });

  it('completes names with their kinds and types', async () => {
    await execute('const wavelength = { red: 665, name: "B4" };');
    const { content } = await conversation.kernel.request('complete_request', {
      code: 'wavelength.',
      cursor_pos: 11,
    });
    expect(content).toMatchObject({ matches: ['name', 'red'] });
    expect(content?.['metadata']).toHaveProperty('_jupyter_types_experimental', [
      { start: 11, end: 11, text: 'name', type: 'property', signature: 'string' },
      { start: 11, end: 11, text: 'red', type: 'property', signature: 'number' },
    ]);
  });
});
