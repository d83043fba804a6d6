import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import { requireBuild } from './built.js';
import { converse, resultOf } from './kernel-conversation.js';

requireBuild();

const cells = 500;

it('answers 500 cells amid changing files, new packages, interrupts and errors, in flat memory', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bandalign-soak-'));
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), text);
  };
  const { next, integer: pick } = seededRandom(17);
  await write('package.json', '{ "name": "soak", "type": "module" }');
  const { kernel, execute, interrupted } = await converse(folder);
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
    const memory: number[] = [];
    for (let cell = 1; cell <= cells; cell++) {
      for (let times = pick(3); times > 0; times--) await disturb();
      const [kind, number] = [pick(8), pick(6)];
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
      } else {
        sum += cell;
        expect(await result(`sum += ${cell}; sum`)).toBe(String(sum));
      }
      if (cell % 50 === 0) memory.push(Number(await result('process.memoryUsage.rss() / 2 ** 20')));
    }
    expect(await result('sum')).toBe(String(sum));
    console.log('evaluator, MiB after each 50 cells:', memory.map((rss) => rss.toFixed(0)).join(' '));
    expect(Math.max(...memory.slice(-3))).toBeLessThan(1.5 * Math.max(...memory.slice(2, 5)));
  } finally {
    await kernel.stop();
    await rm(folder, { recursive: true, force: true });
  }
}, 600_000);
