import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import { requireBuild } from './built.js';
import { converse, resultOf } from './kernel-conversation.js';

requireBuild();

const cells = 500;

/**
 * What a cell may leave alive, KiB. Measured from cell 150 on: 5 to cell 500, 2.5 to cell 1500 (78.9, then 80.6 and 82.2 MiB;
 * 74 before the first cell). Most of it is machine code that V8 makes of the compiler, which comes to an end; the rest a
 * cell's text and source maps, by which stacks are read, of the latest 2000.
 */
const leavesBehind = 10;

/** MiB that are resident, and those that live once garbage is gone. */
const measure = `const { gc } = globalThis as unknown as { gc: () => void };
const { rss } = process.memoryUsage();
for (let times = 0; times < 6; times++) gc();
[rss, process.memoryUsage().heapUsed].map((bytes) => (bytes / 2 ** 20).toFixed(1)).join(' ')`;

it('answers 500 cells amid changing files, new packages, interrupts and errors, in flat memory', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bandalign-soak-'));
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), text);
  };
  const { next, integer: pick } = seededRandom(17);
  await write('package.json', '{ "name": "soak", "type": "module" }');
  const { kernel, execute, interrupted } = await converse(folder, { NODE_OPTIONS: '--expose-gc' });
  /** What modules hold on the disk, and names of packages that are there. */
  const modules = new Map<number, number>();
  const packages = new Set<number>();
  const result = async (code: string): Promise<unknown> => {
    const ran = await execute(code);
    return ran.status === 'ok' ? (resultOf(ran) ?? 'ok') : ran.reply['ename'];
  };
  const disturb = async (): Promise<void> => {
    const [kind, number] = [pick(5), pick(6)];
    if (kind === 0) await write(`.checkpoints/${number}.json`, String(next()));
    else if (kind === 1) await rm(join(folder, '.checkpoints'), { recursive: true, force: true });
    else if (kind === 2) {
      modules.set(number, pick(1000));
      await write(`m${number}.ts`, `export const value: number = ${modules.get(number)};\n`);
    } else if (kind === 3) {
      modules.delete(number);
      await rm(join(folder, `m${number}.ts`), { force: true });
    } else {
      packages.add(number);
      await write(`node_modules/p${number}/package.json`, `{ "name": "p${number}" }`);
      await write(`node_modules/p${number}/index.js`, `exports.value = ${number};`);
    }
  };
  try {
    expect(await result('let sum = 0;')).toBe('ok');
    let sum = 0;
    const memory: { rss: number; live: number }[] = [];
    for (let cell = 1; cell <= cells; cell++) {
      for (let times = pick(3); times > 0; times--) await disturb();
      const [kind, number] = [pick(9), pick(6)];
      if (kind === 0)
        expect(await result(`import { value } from './m${number}'; value`)).toBe(
          modules.has(number) ? String(modules.get(number)) : 'TypeScriptError',
        );
      else if (kind === 1)
        expect(await result(`import { value } from 'p${number}'; value`)).toBe(
          packages.has(number) ? String(number) : 'TypeScriptError',
        );
      else if (kind === 2) expect(await result('throw new RangeError("x");')).toBe('RangeError');
      else if (kind === 3) expect(await result('const wrong: string = 5;')).toBe('TypeScriptError');
      else if (kind === 4 && cell % 4 === 0) {
        const ran = await interrupted('console.log(1); for (;;) {}');
        expect(ran.reply['ename']).toBe('Interrupted');
      } else if (kind === 5)
        expect(await result(`const late${number} = await Promise.resolve(${cell}); late${number}`)).toBe(
          String(cell),
        );
      else {
        sum += cell;
        expect(await result(`sum += ${cell}; sum`)).toBe(String(sum));
      }
      if (cell % 50 === 0) {
        const [rss, live] = String(await result(measure))
          .split(' ')
          .map(Number);
        memory.push({ rss, live });
      }
    }
    expect(await result('sum')).toBe(String(sum));
    console.log(
      'evaluator after each 50 cells, MiB resident (alive):',
      memory.map(({ rss, live }) => `${rss} (${live})`).join(' '),
    );
    const [early, late] = [memory[2].live, memory.at(-1)!.live];
    expect(((late - early) * 1024) / (cells - 150)).toBeLessThan(leavesBehind);
    // what is resident beyond is garbage: V8 takes it away when there is about four times of what lives
    expect(Math.max(...memory.slice(-3).map(({ rss }) => rss))).toBeLessThan(
      1.5 * Math.max(...memory.slice(2, 5).map(({ rss }) => rss)),
    );
  } finally {
    await kernel.stop();
    await rm(folder, { recursive: true, force: true });
  }
}, 600_000);
