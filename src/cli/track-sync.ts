import { Fault, refuse } from '../fault.js';
import { openDestination } from '../tracking/send.js';
import { syncFolders } from '../tracking/sync.js';
import type { Command } from './command.js';
import { oneWord, outputOption, text } from './options.js';

export const command: Command = {
  path: ['track', 'sync'],
  words: '[FOLDER]',
  summary: 'send runs to an MLflow server; what is there already is not sent again',
  examples: ['track sync --to http://127.0.0.1:5000', 'track sync outputs/ablation'],
  options: {
    ...outputOption,
    to: { type: 'string', value: 'URI', help: "the server's address (default: MLFLOW_TRACKING_URI)" },
  },
  run: async (call) => {
    const to = text(call, 'to') ?? process.env['MLFLOW_TRACKING_URI'];
    if (!to)
      throw new Fault('--to: missing; give the address of an MLflow server, such as http://127.0.0.1:5000');
    const destination = openDestination(to, call.note, { signal: call.signal });
    const root =
      call.words.length > 0 ? oneWord(call, 'folder of runs, sweep or run') : text(call, 'output-dir')!;
    const result = await syncFolders(root, destination, { onProgress: call.progress });
    const { address } = destination.client;
    const rate = Math.round(result.points / Math.max(result.seconds, 1e-3));
    call.print(
      `${result.complete} of ${result.runs} runs are complete on ${address}${result.running ? `, ${result.running} are running` : ''}; sent now: ${result.points} points (${rate} a second), ${result.files} files`,
    );
    if (result.deleted.length > 0)
      call.note(
        `deleted on ${address}, and left so: ${result.deleted.join(', ')}; restore them there to send them`,
      );
    call.json({ from: root, to: address, ...result });
    refuse(
      result.failed.map(({ folder, reason }) => `${folder}: not sent; ${reason}`),
      1,
    );
  },
};
