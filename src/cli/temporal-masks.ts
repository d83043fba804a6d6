import { refuse } from '../fault.js';
import { openMasks, parseClearRule } from '../temporal/mask-stack.js';
import { platformName } from '../temporal/sensors.js';
import { writeStackStatistics } from '../temporal/stack-rasters.js';
import type { Command } from './command.js';
import { required, text } from './options.js';
import { day } from './temporal.js';

export const command: Command = {
  path: ['temporal', 'masks'],
  words: 'SENSOR=MASKS…',
  summary:
    'the same per pixel from cloud masks: GeoTIFFs (or a folder, or a .npy) of one grid, dated by their names',
  examples: ['temporal masks s2=masks/s2 gf1=masks/gf1 --out rasters'],
  options: {
    'clear-if': {
      type: 'string',
      value: 'RULE',
      default: 'nonzero',
      help: 'which mask values are clear: nonzero, zero, or a list as 4,5,6,7,11',
    },
    dates: { type: 'string', value: 'FILE.json', help: 'times of a .npy stack, a JSON list' },
    from: { type: 'string', value: 'DATE', help: 'first day (default that of the first mask)' },
    to: { type: 'string', value: 'DATE', help: 'last day (default that of the last mask)' },
    out: { type: 'string', value: 'DIR', help: "folder for the rasters, in FORCE's names" },
  },
  run: async (call) => {
    const out = required(call, 'out');
    const faults: string[] = [];
    const [from, to] = [day(call, 'from', faults), day(call, 'to', faults)];
    const sources = call.words.map((word) => {
      const [, sensor = '', path = ''] = /^([^=/\\]+)=(.+)$/s.exec(word) ?? [];
      if (path === '') faults.push(`mask: ${word}; write SENSOR=PATH, as s2=masks/`);
      return { sensor: platformName(sensor) ?? sensor, path };
    });
    if (sources.length === 0) faults.push('mask: none given; write SENSOR=PATH, as s2=masks/');
    refuse(faults);
    const stack = await openMasks(sources, {
      clear: parseClearRule(text(call, 'clear-if') ?? 'nonzero'),
      dates: text(call, 'dates'),
    });
    const { onProgress, signal } = { onProgress: call.progress, signal: call.signal };
    const files = await writeStackStatistics(stack, out, { from, to, onProgress, signal });
    call.print(`wrote ${files.length} rasters of ${stack.layers.length} masks to ${out}`);
    call.json({ out, masks: stack.layers.length, width: stack.width, height: stack.height, files });
  },
};
