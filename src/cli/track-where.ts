import { listRuns } from '../tracking/directory/read.js';
import { serverSettings } from '../tracking/mlflow/settings.js';
import { trackingPlace } from '../tracking/open.js';
import type { Command } from './command.js';

/** A path as a word of a shell. */
const quoted = (path: string): string =>
  /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;

export const command: Command = {
  path: ['track', 'where'],
  summary: 'where runs are recorded, and the command to look at them',
  run: async (call) => {
    const place = trackingPlace(process.env);
    const server = place.server === undefined ? undefined : serverSettings(place.server, process.env).address;
    const runs = await listRuns(place.directory);
    const view = `MLFLOW_ALLOW_FILE_STORE=true mlflow server --backend-store-uri ${quoted(place.directory)}`;
    if (server) {
      call.print(`server     ${server}`);
      call.print(
        `by way of  ${place.directory}  (${runs.length} runs; what is not sent yet: bandalign track sync)`,
      );
    } else {
      call.print(`directory  ${place.directory}  (${runs.length} runs)`);
      call.print(`look       ${view}`);
      call.print('send       bandalign track sync --to http://HOST:PORT');
    }
    call.json({ directory: place.directory, server: server ?? null, runs: runs.length, view });
  },
};
