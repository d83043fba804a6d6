import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { reason } from '../fault.js';

const require = createRequire(import.meta.url);

/** A package that is not among the dependencies. */
export interface OptionalPackage {
  name: string;
  version: string;
  folder: string;
  /** What is imported. */
  entry: string;
}

const manifestAbove = (file: string): { name?: string; version?: string; folder: string } => {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
        name?: string;
        version?: string;
      };
      if (manifest.version !== undefined) return { ...manifest, folder };
    } catch {
      // further up
    }
  }
  return { folder: dirname(file) };
};

/**
 * Looks for `name` where Node would look for it from `folder` (default: from here), NODE_PATH included; null where it is
 * missing, or where another package stands under its name (an npm alias).
 */
export const findPackage = (name: string, folder?: string): OptionalPackage | null => {
  try {
    const entry = require.resolve(name, folder === undefined ? undefined : { paths: [folder] });
    const manifest = manifestAbove(entry);
    if (manifest.name !== name) return null;
    return { name, version: manifest.version ?? 'unknown', folder: manifest.folder, entry };
  } catch {
    return null;
  }
};

/** Loads what {@link findPackage} found. `Exports` is the caller's word for what it exports. */
export const importPackage = async <Exports>({ entry }: OptionalPackage): Promise<Exports> => {
  const module = (await import(pathToFileURL(entry).href)) as { default?: unknown };
  // a CommonJS package: its names may not all be seen from outside
  return { ...(module.default as object | undefined), ...module } as Exports;
};

/** Loads a CommonJS file. */
export const requireFile = <Exports>(path: string): Exports => require(path) as Exports;

/** What went wrong, without the paragraphs that native loaders add. */
export const shortReason = (error: unknown): string =>
  reason(error).trim().replace(/\s+/g, ' ').slice(0, 300);
