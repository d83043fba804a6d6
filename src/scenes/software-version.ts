import { readFile } from 'node:fs/promises';

/** This program's version, from its package.json. */
export const softwareVersion = async (): Promise<string> => {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
};
