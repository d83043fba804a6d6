import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { expect, test } from 'vitest';
import { Fault } from '../../src/fault.js';
import { readers } from './readers.js';

const corpus = join(import.meta.dirname, 'corpus');

/** Files that once crashed a reader or got through it, as `READER--WHAT.ext`. */
test.each(await readdir(corpus))('%s is a fault in one plain line', async (name) => {
  const folder = await mkdtemp(join(tmpdir(), 'bandalign-corpus-'));
  try {
    // a reader may remove a damaged file
    const path = join(folder, `input${extname(name)}`);
    await copyFile(join(corpus, name), path);
    const error = await readers[name.split('--')[0]].read(path).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(Fault);
    expect((error as Fault).faults).toHaveLength(1);
    expect((error as Fault).message).not.toMatch(/\p{Cc}/u);
    expect((error as Fault).exitCode).toBe(2);
  } finally {
    await rm(folder, { recursive: true });
  }
});
