import { cp, mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createStore, ensureExperiment, findRun, listExperiments, subfolders } from './experiments.js';
import { metaText, readRunMeta } from './meta.js';
import { filesUnder } from './metrics.js';
import { livingOwner } from './owner.js';
import { appendLines, cutTornLine, place, placeCopy } from './place.js';
import { diskReason, rescueStore } from './rescue.js';

/** Adds what the run in `from` has to the run in `to`, which may have a part of it already. */
const mergeRun = async (from: string, to: string): Promise<void> => {
  for (const name of await filesUnder(join(from, 'metrics'))) {
    const path = join('metrics', name);
    const { lines } = await cutTornLine(join(from, path));
    const there = await stat(join(to, path)).then(
      () => cutTornLine(join(to, path)),
      () => ({ lines: [], size: 0 }),
    );
    const known = new Set<string>(there.lines);
    const missing = lines.filter((line) => !known.has(line));
    if (missing.length > 0) await appendLines(to, path, `${missing.join('\n')}\n`, there.size);
  }
  for (const kind of ['params', 'tags', 'inputs', 'artifacts'])
    for (const name of await filesUnder(join(from, kind))) {
      const taken = kind === 'params' && (await stat(join(to, kind, name)).catch(() => undefined));
      if (!taken) await placeCopy(to, join(kind, name), join(from, kind, name));
    }
  const [meta, before] = [
    await readRunMeta(join(from, 'meta.yaml')),
    await readRunMeta(join(to, 'meta.yaml')),
  ];
  if (meta && before)
    await place(to, 'meta.yaml', metaText({ ...before, status: meta.status, end_time: meta.end_time }));
};

/** Moves one run of the rescue store home. */
const bringRun = async (store: string, from: string, experiment: string): Promise<void> => {
  const meta = await readRunMeta(join(from, 'meta.yaml'));
  if (!meta) return;
  const experimentId = await ensureExperiment(store, experiment);
  const folder = (await findRun(store, meta.run_id)) ?? join(store, experimentId, meta.run_id);
  for (const id of await subfolders(join(dirname(from), 'datasets')))
    await placeCopy(
      join(store, experimentId),
      join('datasets', id, 'meta.yaml'),
      join(dirname(from), 'datasets', id, 'meta.yaml'),
    );
  if (await stat(join(folder, 'meta.yaml')).catch(() => undefined)) await mergeRun(from, folder);
  else {
    await mkdir(folder, { recursive: true });
    for (const kind of ['params', 'tags', 'metrics', 'artifacts', 'inputs']) {
      await mkdir(join(folder, kind), { recursive: true });
      await cp(join(from, kind), join(folder, kind), { recursive: true, force: true }).catch((error) => {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      });
    }
    const cursor = await readFile(join(from, 'bandalign.sync.json')).catch(() => undefined);
    if (cursor) await place(folder, 'bandalign.sync.json', cursor);
    const artifacts = pathToFileURL(join(folder, 'artifacts')).href;
    await place(
      folder,
      'meta.yaml',
      metaText({ ...meta, experiment_id: experimentId, artifact_uri: artifacts }),
    );
  }
  // out of sight at once, then gone: a second process must not bring it home again
  await rename(from, `${from}.gone`);
  await rm(`${from}.gone`, { recursive: true, force: true });
};

/**
 * Brings home what runs recorded in the rescue store while `directory` could not be written, and says so. Runs that are
 * still being recorded there stay.
 */
export const bringBack = async (directory: string, onWarning: (text: string) => void): Promise<void> => {
  const store = resolve(directory);
  const rescue = rescueStore(store);
  let brought = 0;
  try {
    const experiments = await listExperiments(rescue);
    for (const { experiment_id: id, name } of experiments)
      for (const run of await subfolders(join(rescue, id))) {
        const from = join(rescue, id, run);
        if (!/^[0-9a-f]{32}$/.test(run) || (await livingOwner(from))) continue;
        if (brought === 0) await createStore(store);
        await bringRun(store, from, name);
        brought++;
      }
  } catch (error) {
    onWarning(`tracking: runs wait in ${rescue} until ${store} can be written again (${diskReason(error)})`);
    return;
  }
  if (brought > 0) onWarning(`tracking: ${brought} runs were brought back from ${rescue} into ${store}`);
};
