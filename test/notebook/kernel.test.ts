import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/notebook/package-root.js';
import type { Fields } from '../../src/notebook/wire.js';
import { requireBuild } from './built.js';
import { type Conversation, converse, resultOf, textOf } from './kernel-conversation.js';

requireBuild();

/** Gives a cell `output`, what the kernel offers to this package's own display functions. */
const kernelOutputImport = `interface Output { show: (data: object, options?: object) => void; signal: () => AbortSignal }
const place: string = ${JSON.stringify(pathToFileURL(join(packageRoot, 'dist/notebook/kernel-output.js')).href)};
const output = ((await import(place)) as { kernelOutput: () => Output }).kernelOutput();
`;

const plainText = (content: Fields | undefined): unknown =>
  (content?.['data'] as Fields | undefined)?.['text/plain'];

/** Writes an npm package under `folder`/node_modules. */
const writePackage = async (
  folder: string,
  manifest: { name: string },
  code: string,
  types: string,
): Promise<void> => {
  const home = join(folder, 'node_modules', manifest.name);
  await mkdir(home, { recursive: true });
  await writeFile(join(home, 'package.json'), JSON.stringify(manifest));
  await writeFile(join(home, 'index.js'), code);
  await writeFile(join(home, 'index.d.ts'), types);
};

describe('kernel', () => {
  let folder: string;
  let conversation: Conversation;
  let execute: Conversation['execute'];

  beforeAll(async () => {
    // a project of its own, away from the checkout: what it lacks comes from this package
    folder = await mkdtemp(join(tmpdir(), 'bandalign-project-'));
    await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'study', type: 'module' }));
    await mkdir(join(folder, 'notebooks'));
    await mkdir(join(folder, 'src'));
    await writeFile(join(folder, 'src', 'gain.ts'), 'export const gain: number = 1.5;\n');
    const importOnly = { type: 'module', exports: { '.': { types: './index.d.ts', import: './index.js' } } };
    await writePackage(
      folder,
      { name: 'import-only', ...importOnly } as { name: string },
      'export const one = 1; export default () => 2;',
      'export declare const one: number; declare const two: () => number; export default two;',
    );
    await writePackage(
      folder,
      { name: 'awaits-itself', ...importOnly } as { name: string },
      'export const late = await Promise.resolve(7);',
      'export declare const late: number;',
    );
    conversation = await converse(join(folder, 'notebooks'));
    execute = conversation.execute;
  }, 120_000);

  afterAll(async () => {
    await conversation.kernel.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('announces a cell, numbers it and gives its last expression as a result', async () => {
    const first = await execute('const tiles = 3;\ntiles + 1');
    expect(first.messages).toEqual(['execute_input', 'execute_result']);
    expect(first.last['execute_input']).toMatchObject({ code: 'const tiles = 3;\ntiles + 1' });
    expect(first.reply['execution_count']).toBe(first.last['execute_input']['execution_count']);
    expect(resultOf(first)).toBe('4');
    const second = await execute('const tiles = "redeclared"; tiles');
    expect(second.reply['execution_count']).toBe(Number(first.reply['execution_count']) + 1);
    expect(resultOf(second)).toBe('redeclared');
  });

  it('keeps every line of a burst, in order, and the word that the cell has ended', async () => {
    const ran = await execute('for (let line = 0; line < 200_000; line++) console.log("line " + line);');
    expect(ran.status).toBe('ok');
    const lines = textOf(ran).split('\n');
    expect(lines).toHaveLength(200_001);
    expect(lines.every((line, index) => index === 200_000 || line === `line ${index}`)).toBe(true);
  });

  it('keeps stdout and stderr apart and in order', async () => {
    const { outputs } = await execute('console.log("a"); console.error("b"); console.log("c");');
    expect(outputs.map((output) => output.output_type === 'stream' && [output.name, output.text])).toEqual([
      ['stdout', 'a\n'],
      ['stderr', 'b\n'],
      ['stdout', 'c\n'],
    ]);
  });

  it('shows what a child process prints', async () => {
    const ran = await execute(
      'import { spawnSync } from "node:child_process"; spawnSync(process.execPath, ["-p", "\'from a child\'"], { stdio: "inherit" }); await new Promise((r) => setTimeout(r, 200));',
    );
    expect(textOf(ran)).toBe('from a child\n');
  });

  it('reports an exception once, with lines of the cells and no paths of this machine', async () => {
    const defined = await execute(
      'interface Tile { id: string }\n\nconst open = (tile: Tile): never => {\n  throw new RangeError("no " + tile.id);\n};',
    );
    const ran = await execute('// a comment\nopen({ id: "T50" });');
    expect(ran.messages).toEqual(['execute_input', 'error']);
    expect(ran.reply).toMatchObject({
      status: 'error',
      ename: 'RangeError',
      evalue: 'no T50',
      bandalign: { line: 2 },
    });
    expect(ran.last['error']).toEqual({
      ename: ran.reply['ename'],
      evalue: ran.reply['evalue'],
      traceback: ran.reply['traceback'],
    });
    const traceback = (ran.reply['traceback'] as string[]).join('\n');
    expect(traceback).toContain(`at open, cell [${defined.reply['execution_count']}], line 4`);
    expect(traceback).toContain(`at cell [${ran.reply['execution_count']}], line 2`);
    expect(traceback).toMatch(/> 4 \|\s+throw new RangeError/);
    expect(traceback).not.toMatch(/\/tmp\/|tslab|node:internal|evalmachine/);
  });

  it('finds the line of an exception after an await, and tells a cause', async () => {
    const ran = await execute(
      'await Promise.resolve();\nconst value: number = 1;\ninterface Gone { a: number }\nthrow new Error("outer", { cause: new TypeError("inner") });',
    );
    expect(ran.reply['bandalign']).toEqual({ line: 4 });
    expect((ran.reply['traceback'] as string[]).join('\n')).toContain('caused by TypeError: inner');
  });

  it('reports thrown things that are no errors', async () => {
    expect((await execute('throw { code: 7 };')).reply).toMatchObject({
      ename: 'Thrown',
      evalue: '{ code: 7 }',
    });
    expect((await execute('throw undefined;')).reply).toMatchObject({ status: 'error', evalue: 'undefined' });
  });

  it('refuses a cell with type errors, each with its line and code', async () => {
    const ran = await execute('console.log("not run");\nconst band: string = 5;\nconst gain: number = "a";');
    expect(ran.messages).toEqual(['execute_input', 'error']);
    expect(ran.reply).toMatchObject({ ename: 'TypeScriptError', bandalign: { line: 2 } });
    const traceback = (ran.reply['traceback'] as string[]).join('\n');
    expect(traceback).toContain("line 2: Type 'number' is not assignable to type 'string'. (TS2322)");
    expect(traceback).toContain("line 3: Type 'string' is not assignable to type 'number'. (TS2322)");
  });

  it('checks strictly, with a TypeScript newer than tslab has', async () => {
    expect((await execute('const length = (text?: string): number => text.length;')).status).toBe('error');
    expect((await execute('const guess = (value) => value;')).status).toBe('error');
    const modern = await execute(
      'const sorted = [3, 1, 2].toSorted();\nconst found: number[] = [1, undefined].filter((one) => one !== undefined);\n{ using end = { [Symbol.dispose]: () => console.log("disposed") }; void end; }\nsorted',
    );
    expect(modern.reply).toMatchObject({ status: 'ok' });
    expect(textOf(modern)).toBe('disposed\n');
    expect(resultOf(modern)).toBe('[ 1, 2, 3 ]');
  });

  it('awaits at top level, also in loops, and awaits a last expression', async () => {
    expect(
      resultOf(
        await execute('let sum = 0;\nfor await (const one of [Promise.resolve(1), 2]) sum += one;\nsum'),
      ),
    ).toBe('3');
    expect(resultOf(await execute('Promise.resolve("not forgotten")'))).toBe('not forgotten');
    expect((await execute('const inside = async () => { await 1; return 4; };\nawait inside()')).status).toBe(
      'ok',
    );
  });

  it('takes shorthand properties for variables of earlier cells', async () => {
    await execute('let epochs = 3;\nconst tile = { id: 1 };\nlet gain = 0;');
    expect(resultOf(await execute('({ epochs, tile, deep: [{ epochs }] })'))).toBe(
      '{ epochs: 3, tile: { id: 1 }, deep: [ { epochs: 3 } ] }',
    );
    expect(resultOf(await execute('({ gain } = { gain: 5 });\ngain'))).toBe('5');
    expect(resultOf(await execute('const local = 1;\nconst both = () => ({ local, gain });\nboth()'))).toBe(
      '{ local: 1, gain: 5 }',
    );
  });

  it('runs the cells after a failed one when told to, and leaves them out when not', async () => {
    const wait = 'await new Promise((resolve) => setTimeout(resolve, 100)); ';
    const [failed, after] = await Promise.all([execute(`${wait}throw new Error("x");`), execute('1 + 1')]);
    expect([failed.status, after.status]).toEqual(['error', 'ok']);
    const stopping = { stop_on_error: true };
    const [first, second] = await Promise.all([
      execute(`${wait}throw new Error("x");`, stopping),
      execute('console.log("must not run")', stopping),
    ]);
    expect([first.status, second.status]).toEqual(['error', 'aborted']);
    expect(second.messages).toEqual([]);
  });

  it('imports this package by name with its types, in a project that does not have it', async () => {
    const ran = await execute(
      'import { Fault } from "bandalign";\nnew Fault("what: value; what to do").faults',
    );
    expect(ran.reply).toMatchObject({ status: 'ok' });
    expect(resultOf(ran)).toBe("[ 'what: value; what to do' ]");
    const wrong = await execute('import { Fault } from "bandalign";\nnew Fault(5);');
    expect(wrong.reply).toMatchObject({ ename: 'TypeScriptError', bandalign: { line: 2 } });
    expect(resultOf(await execute('const own = await import("bandalign"); own.Fault.name'))).toBe('Fault');
  });

  it('imports packages that only offer ES modules, with top-level await too, and dynamically', async () => {
    const ran = await execute(
      'import two, { one } from "import-only";\nimport { late } from "awaits-itself";\n[one, two(), late]',
    );
    expect(ran.reply).toMatchObject({ status: 'ok' });
    expect(resultOf(ran)).toBe('[ 1, 2, 7 ]');
    expect(resultOf(await execute('const { late: again } = await import("awaits-itself"); again'))).toBe('7');
    expect(resultOf(await execute('import { parse } from "papaparse"; parse("a,b").data'))).toBe(
      "[ [ 'a', 'b' ] ]",
    );
  });

  it('imports TypeScript of the project, and runs from its root', async () => {
    expect(resultOf(await execute('import { gain } from "./src/gain.js"; gain * 2'))).toBe('3');
    expect(
      resultOf(
        await execute('import { readdirSync } from "node:fs"; readdirSync(".").includes("notebooks")'),
      ),
    ).toBe('true');
  });

  it('says that a module does not exist', async () => {
    expect((await execute('import { x } from "no-such-package";')).reply).toMatchObject({
      ename: 'TypeScriptError',
    });
    expect((await execute('import { x } from "./src/none.js";')).reply).toMatchObject({
      ename: 'TypeScriptError',
    });
  });

  it('blames the running cell for a rejection that nobody handles, and for a throwing timer', async () => {
    expect((await execute('void Promise.reject(new TypeError("stray")); "value"')).reply).toMatchObject({
      ename: 'TypeError',
      evalue: 'stray',
    });
    const timer = await execute(
      'setTimeout(() => { throw new Error("in a timer"); }, 10);\nawait new Promise((r) => setTimeout(r, 5000));',
    );
    expect(timer.reply).toMatchObject({ status: 'error', evalue: 'in a timer' });
  });

  it('refuses cells that tslab would leave out without a word', async () => {
    expect((await execute('/** @browser */\ndocument.body;')).reply).toMatchObject({ status: 'error' });
    expect((await execute('/** @module broken */\nexport const x: string = 5;')).reply).toMatchObject({
      ename: 'TypeScriptError',
    });
  });

  it('shows bundles of several types, updates them in place, and serves tslab’s own displays', async () => {
    const ran = await execute(
      `${kernelOutputImport}` +
        'output.show({ "text/plain": "first", "text/html": "<b>first</b>" }, { displayId: "d" });\n' +
        'console.log("between");\n' +
        'output.show({ "text/plain": "second" }, { displayId: "d", update: true });',
    );
    expect(ran.messages).toEqual(['execute_input', 'display_data', 'stream', 'update_display_data']);
    expect(ran.outputs[0]).toEqual({
      output_type: 'display_data',
      data: { 'text/plain': 'second' },
      metadata: {},
    });
    const own = await execute('import * as tslab from "tslab"; tslab.display.html("<i>x</i>");');
    expect(own.last['display_data']['data']).toEqual({ 'text/html': '<i>x</i>' });
  });

  it('completes, in code points as Jupyter counts, and inspects with documentation', async () => {
    const code = 'const 𝒳 = "😀"; [1, 2].toSor';
    const complete = (
      await conversation.kernel.request('complete_request', { code, cursor_pos: Array.from(code).length })
    ).content;
    expect(complete?.['matches']).toContain('toSorted');
    expect(complete?.['cursor_start']).toBe(Array.from(code).length - 'toSor'.length);
    await execute(
      '/** Surface reflectance, 0 to 1. */\nconst reflectance = (dn: number): number => dn / 10_000;',
    );
    const inspected = (
      await conversation.kernel.request('inspect_request', {
        code: 'reflectance(5000)',
        cursor_pos: 4,
        detail_level: 0,
      })
    ).content;
    expect(inspected).toMatchObject({ status: 'ok', found: true });
    const shown = plainText(inspected);
    expect(shown).toContain('(dn: number) => number');
    expect(shown).toContain('Surface reflectance, 0 to 1.');
    const local = (
      await conversation.kernel.request('inspect_request', { code: 'const q = [1, "a"]; q', cursor_pos: 21 })
    ).content;
    expect(plainText(local)).toContain('(string | number)[]');
    expect(
      (await conversation.kernel.request('is_complete_request', { code: 'if (true) {' })).content,
    ).toMatchObject({ status: 'incomplete' });
    expect((await conversation.kernel.request('is_complete_request', { code: '1 + 1' })).content).toEqual({
      status: 'complete',
    });
  });

  it('tells who it is', async () => {
    const { content } = await conversation.kernel.request('kernel_info_request', {});
    expect(content).toMatchObject({
      implementation: 'bandalign',
      language_info: { name: 'typescript', file_extension: '.ts' },
    });
    expect(content?.['language_info']).toMatchObject({ version: expect.stringMatching(/^5\.9\./) });
  });

  it('cuts endless printing and huge displays, says how much was left out, and goes on', async () => {
    const small = await converse(folder, { BANDALIGN_PRINT_LIMIT: '1', BANDALIGN_DISPLAY_LIMIT: '1' });
    try {
      const printed = await small.execute(
        'const line = "x".repeat(1023);\nfor (let i = 0; i < 64 * 1024; i++) console.log(line);\nconsole.error("tail"); 5',
      );
      expect(printed.reply).toMatchObject({ status: 'ok' });
      expect(textOf(printed)).toHaveLength(2 ** 20);
      expect(textOf(printed, 'stderr')).toContain('63.0 MiB left out after the first 1.0 MiB');
      const shown = await small.execute(
        'import * as tslab from "tslab"; tslab.display.raw("text/plain", "x".repeat(2 * 2 ** 20));',
      );
      expect(shown.reply).toMatchObject({ status: 'ok' });
      expect(plainText(shown.last['display_data'])).toContain('a display of 2.0 MiB was left out');
    } finally {
      await small.kernel.stop();
    }
  });
});

describe('interrupts and ends', () => {
  let conversation: Conversation;
  beforeAll(async () => {
    conversation = await converse(packageRoot);
    await conversation.execute('const kept = 42;');
  }, 120_000);
  afterAll(() => conversation.kernel.stop());

  const loops: [string, string][] = [
    ['a loop', 'for (;;) {}'],
    ['a loop after an await', 'await new Promise((r) => setTimeout(r, 10)); for (;;) {}'],
    ['a loop in a timer', 'setTimeout(() => { for (;;) {} }, 10); await new Promise(() => {});'],
    ['a promise that stays pending', 'await new Promise(() => {});'],
    ['a regular expression that does not end', 'await null; /^(a+)+$/.test("a".repeat(50) + "b");'],
  ];
  it.each(loops)('interrupts %s and keeps the variables', async (_, code) => {
    const ran = await conversation.interrupted(`console.log("begun");\n${code}`);
    expect(ran.reply).toMatchObject({ status: 'error', ename: 'Interrupted' });
    expect(resultOf(await conversation.execute('kept'))).toBe('42');
  });

  it('does not run a cell that is interrupted while it is compiled', async () => {
    const running = conversation.execute(
      'import * as tf from "@tensorflow/tfjs-core"; console.log("ran"); tf.ENV',
    );
    await new Promise((resolve) => setTimeout(resolve, 5));
    await conversation.kernel.interrupt();
    const ran = await running;
    expect(ran.reply).toMatchObject({ ename: 'Interrupted' });
    expect(textOf(ran)).toBe('');
    expect(resultOf(await conversation.execute('kept'))).toBe('42');
  });

  it('tells long work by a signal', async () => {
    const ran = await conversation.interrupted(
      `${kernelOutputImport}output.signal().addEventListener("abort", () => console.log("heard"));\nconsole.log("begun");\nawait new Promise(() => {});`,
    );
    expect(textOf(ran)).toBe('begun\nheard\n');
  });

  it('ends the process of a cell that nothing can interrupt, and says so', async () => {
    const ran = await conversation.interrupted(
      'import { spawnSync } from "node:child_process"; spawnSync(process.execPath, ["-e", "console.log(\'begun\'); setTimeout(() => {}, 40e3)"], { stdio: "inherit" });',
    );
    expect(ran.reply).toMatchObject({ status: 'error', ename: 'KernelDied' });
    expect(ran.reply['evalue']).toContain('the cell did not end when interrupted');
    expect((await conversation.execute('const kept = 42;')).status).toBe('ok');
  });

  it('answers while a cell computes', async () => {
    const running = conversation.execute('const until = Date.now() + 1500; while (Date.now() < until);');
    await new Promise((resolve) => setTimeout(resolve, 300));
    const begun = performance.now();
    await conversation.kernel.request('kernel_info_request', {});
    expect(performance.now() - begun).toBeLessThan(1000);
    expect((await running).status).toBe('ok');
  });

  it.each([
    ['process.exit(3);', 'process.exit(3) was called'],
    ['process.kill(process.pid, "SIGKILL"); await new Promise(() => {});', 'killed (SIGKILL)'],
    ['process.abort();', 'SIGABRT'],
  ])('after %s says what happened and runs the next cell in a fresh process', async (code, why) => {
    const ran = await conversation.execute(code);
    expect(ran.reply).toMatchObject({ status: 'error', ename: 'KernelDied' });
    expect(String(ran.reply['evalue'])).toContain(why);
    expect(ran.messages.at(-1)).toBe('error');
    expect(resultOf(await conversation.execute('1 + 1'))).toBe('2');
    expect((await conversation.execute('kept')).reply).toMatchObject({ ename: 'TypeScriptError' });
  });
});
