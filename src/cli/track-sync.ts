import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Fault, refuse } from '../fault.js';
import { bringBack } from '../tracking/directory/bring-back.js';
import { createClient } from '../tracking/mlflow/client.js';
import { serverSettings, unsupported } from '../tracking/mlflow/settings.js';
import { trackingPlace } from '../tracking/open.js';
import { openDestination } from '../tracking/sync/destination.js';
import { syncStore } from '../tracking/sync/sync-store.js';
import type { Command } from './command.js';

export const command: Command = {
  path: ['track', 'sync'],
  summary: 'bring the runs of a directory store to an MLflow server; repeat it as often as you like',
  options: {
    to: { type: 'string', value: 'URI', help: "the server's address; else MLFLOW_TRACKING_URI" },
    from: { type: 'string', value: 'DIR', help: 'the directory store; else the one in use here' },
  },
  run: async (call) => {
    const to = (call.options['to'] as string | undefined) ?? process.env['MLFLOW_TRACKING_URI'];
    if (!to || !/^https?:/i.test(to))
      throw new Fault('--to: missing; give the address of an MLflow server, such as http://127.0.0.1:5000');
    // the server named by MLFLOW_TRACKING_URI is where to, not where from
    const given = call.options['from'] as string | undefined;
    const from = given
      ? resolve(given)
      : trackingPlace({ ...process.env, MLFLOW_TRACKING_URI: to }).directory;
    const found = await stat(from).catch(() => undefined);
    if (!found?.isDirectory()) throw new Fault(`--from: ${from}; there is no store there`);
    for (const text of unsupported(process.env)) call.note(text);
    await bringBack(from, call.note);
    const settings = serverSettings(to, process.env);
    const heard = new Set<string>();
    const destination = openDestination(createClient(settings), process.env, from, (text) => {
      if (!heard.has(text)) call.note(text);
      heard.add(text);
    });
    const result = await syncStore(destination, from, { signal: call.signal, onProgress: call.progress });
    const rate = result.seconds > 0 ? Math.round(result.points / result.seconds) : 0;
    call.print(
      `${result.complete} of ${result.runs} runs are complete on ${settings.address}${result.open ? `, ${result.open} have not ended` : ''}; sent now: ${result.points} points (${rate} a second), ${result.files} files`,
    );
    call.json({ from, to: settings.address, ...result });
    refuse(
      result.failed.map(({ runId, name, why }) => `run ${name} (${runId}): not sent; ${why}`),
      1,
    );
  },
};
