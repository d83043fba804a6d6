import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { trackingDestination } from '../tracking/send.js';
import { findSources } from '../tracking/source.js';
import type { Command } from './command.js';
import { outputOption, text } from './options.js';
import { serverFolder } from './track-ui.js';

export const command: Command = {
  path: ['track', 'where'],
  summary: 'where runs are recorded, where their copy goes, and how to look at them',
  examples: ['track where'],
  options: outputOption,
  run: async (call) => {
    const record = resolve(text(call, 'output-dir')!);
    const server = trackingDestination(call.note)?.client.address ?? null;
    const { runs, sweeps } = await findSources(record);
    const local = resolve(serverFolder);
    const hasLocal = await access(local).then(
      () => true,
      () => false,
    );
    call.print(`record  ${record}  (${runs.length} runs, ${sweeps.length} sweeps)`);
    call.print(
      server
        ? `copy    ${server}  (while runs go on; what was not sent: bandalign track sync)`
        : 'copy    none: MLFLOW_TRACKING_URI is not set; bandalign track sync --to http://HOST:PORT sends one',
    );
    call.print(
      `look    ${server ?? 'bandalign track ui'}${hasLocal ? `  (its server's files: ${local})` : ''}`,
    );
    call.json({ record, server, runs: runs.length, sweeps: sweeps.length, local: hasLocal ? local : null });
  },
};
