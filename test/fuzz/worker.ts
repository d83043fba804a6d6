import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { inspect } from 'node:util';
import { seededRandom } from '../../src/config/random.js';
import { Fault } from '../../src/fault.js';
import { digest } from '../../src/files.js';
import { mutate } from './mutate.js';
import { readers } from './readers.js';

const textOf = (value: unknown): string =>
  inspect(value, { depth: null, maxArrayLength: null, maxStringLength: null });

/** What a worker tells of one input. */
export interface Outcome {
  reader: string;
  /** What was wrong; null for nothing. */
  wrong: string | null;
  /** Where the input was kept. */
  kept: string | null;
  maxRss: number;
}

const folder = await mkdtemp(join(tmpdir(), 'bandalign-fuzz-'));
process.on('disconnect', () => void rm(folder, { recursive: true, force: true }).then(() => process.exit(0)));

const seeds = new Map<string, { path: string; bytes: Buffer; value: string }[]>();
for (const [name, reader] of Object.entries(readers)) {
  const paths = await reader.seeds(folder);
  seeds.set(
    name,
    await Promise.all(
      paths.map(async (path) => {
        const bytes = await readFile(path);
        // once for all readers: what they load at their first file is not that file's cost
        const read = reader.read(path);
        const value = reader.checked ? digest(textOf(await read)) : '';
        await read.catch(() => {});
        return { path, bytes, value };
      }),
    ),
  );
}
process.send?.({ ready: true });

/** One mutated file of the reader, by its number. */
const tryOne = async (name: string, number: number): Promise<Outcome> => {
  const reader = readers[name];
  const random = seededRandom('fuzz', name, number);
  const all = seeds.get(name)!;
  const seed = all[random.integer(all.length)];
  const bytes = mutate(seed.bytes, random);
  const path = join(folder, `input${extname(seed.path)}`);
  await writeFile(path, bytes);
  let wrong: string | null = null;
  try {
    const value = await reader.read(path);
    if (reader.checked && digest(textOf(value)) !== seed.value) wrong = 'damaged data were accepted';
  } catch (error) {
    if (!(error instanceof Fault)) wrong = error instanceof Error ? String(error.stack) : String(error);
    else if (/\p{Cc}/u.test(error.faults.join('')))
      wrong = `control bytes in ${JSON.stringify(error.faults)}`;
  }
  const kept = wrong === null ? null : join(tmpdir(), `fuzz--${name}--${number}${extname(seed.path)}`);
  if (kept !== null) await writeFile(kept, bytes);
  return { reader: name, wrong, kept, maxRss: process.resourceUsage().maxRSS * 1024 };
};

process.on('message', ({ reader, number }: { reader: string; number: number }) => {
  void tryOne(reader, number).then((outcome) => process.send?.(outcome));
});
