import { notOneOf } from '../config/spelling.js';
import { Fault, refuse } from '../fault.js';
import { writeAtomic } from '../files.js';
import { catalogCsv, mgrsPlaces, simulateCatalog } from '../temporal/simulate.js';
import type { Command } from './command.js';
import { required, whole } from './options.js';
import { day, list } from './temporal.js';

export const command: Command = {
  path: ['temporal', 'simulate'],
  words: 'TILE…',
  summary: 'a catalog of what Sentinel-2 and GF-1 would acquire over MGRS tiles, labelled simulated',
  examples: ['temporal simulate 13TDE 31TCJ --from 2024-01-01 --to 2024-12-31 --out simulated.csv'],
  options: {
    from: { type: 'string', value: 'DATE', help: 'first day' },
    to: { type: 'string', value: 'DATE', help: 'last day' },
    sensors: { type: 'string', value: 'A,B', default: 's2,gf1', help: 'sensors' },
    seed: { type: 'string', value: 'N', default: '2022', help: 'seed of the cloud' },
    out: { type: 'string', value: 'FILE.csv', help: 'the catalog to write' },
  },
  run: async (call) => {
    const out = required(call, 'out');
    required(call, 'from');
    required(call, 'to');
    const faults: string[] = [];
    const [from, to] = [day(call, 'from', faults), day(call, 'to', faults)];
    const sensors = list(call, 'sensors');
    for (const sensor of sensors)
      if (sensor !== 's2' && sensor !== 'gf1')
        faults.push(`${notOneOf('--sensors', sensor, ['s2', 'gf1'])} can be simulated`);
    if (call.words.length === 0) faults.push('tile: none given; name MGRS tiles, as 13TDE');
    refuse(faults);
    if (from! > to!) throw new Fault('period: --to lies before --from; swap them');
    const catalog = simulateCatalog(mgrsPlaces(call.words), {
      period: { from: from!, to: to! },
      sensors: sensors as ('s2' | 'gf1')[],
      seed: whole(call, 'seed'),
    });
    await writeAtomic(out, catalogCsv(catalog));
    call.print(
      `wrote ${catalog.acquisitions.length} simulated acquisitions of ${call.words.length} tiles to ${out}`,
    );
    call.json({ out, acquisitions: catalog.acquisitions.length, tiles: call.words, simulated: true });
  },
};
