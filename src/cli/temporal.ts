import { setFlagsFromString } from 'node:v8';
import { reason, refuse } from '../fault.js';
import { renderFigure } from '../figures/static/render-figure.js';
import { tileName } from '../temporal/acquisition.js';
import { analyse } from '../temporal/analyse.js';
import { gainTableOf } from '../temporal/analysis-tables.js';
import { constantSensor, parseColumns } from '../temporal/columns.js';
import { dayOf, parseTime } from '../temporal/days.js';
import { readCatalogs } from '../temporal/read-catalogs.js';
import { type RenderFigure, writeReport } from '../temporal/report.js';
import { platformName } from '../temporal/sensors.js';
import { summarise } from '../temporal/summary.js';
import type { Call, Command } from './command.js';
import { several, text } from './options.js';

/** A list typed with commas, empty parts left out. */
export const list = (call: Call, name: string): string[] =>
  (text(call, name) ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

/** A day typed as an ISO date; a fault is left in `faults`. */
export const day = (call: Call, name: string, faults: string[]): number | undefined => {
  const value = text(call, name);
  if (value === undefined) return undefined;
  const time = parseTime(value);
  if (time === null) faults.push(`--${name}: ${value}; a date as 2024-07-09`);
  return time === null ? undefined : dayOf(time);
};

const share = (call: Call, faults: string[]): number => {
  const value = text(call, 'clear') ?? '';
  const number = value.trim() === '' ? Number.NaN : Number(value);
  if (!(number >= 0 && number <= 1)) faults.push(`--clear: ${value}; the least clear share, between 0 and 1`);
  return number;
};

/** Pictures of the figures, or none where nothing here can draw them: the report does not fail for that. */
const pictures = (call: Call): RenderFigure => {
  let told = false;
  return async (figure, format) => {
    try {
      return await renderFigure(figure, { format });
    } catch (error) {
      if (!told) call.note(`figures: no ${format} (${reason(error)}); the HTML figures are whole`);
      told = true;
      return null;
    }
  };
};

const run = async (call: Call): Promise<void> => {
  const faults: string[] = [];
  const [from, to] = [day(call, 'from', faults), day(call, 'to', faults)];
  const threshold = share(call, faults);
  const out = text(call, 'out');
  if ((out === undefined || out === '') && !call.asJson) faults.push('--out: missing; give --out DIR');
  if (call.words.length === 0)
    faults.push('catalog: none given; name STAC JSON, CSV, a list of product names or a dataset folder');
  refuse(faults);
  const typed = list(call, 'sensors');
  const columns = several(call, 'columns').map(parseColumns);
  const constants = columns.map(constantSensor).filter((name) => name !== null);
  const spelt = (names: string[]): string[] => names.map((name) => platformName(name, names) ?? name);
  const [sensors, named] = [spelt(typed), spelt(constants)];
  // V8 of Node 24 would let rows that are read once fill a hundred megabytes before it drops the first
  setFlagsFromString('--semi-space-growth-factor=1');
  // the acquisitions are not kept: the report needs none of them
  const analysis = analyse(await readCatalogs(call.words, { columns, sensors: [...typed, ...constants] }), {
    sensors,
    named,
    from,
    to,
    threshold,
    tiles: list(call, 'tiles').map(tileName),
    extent: call.options['all'] === true ? 'whole' : 'common',
  });
  for (const note of analysis.notes) call.note(note);
  if (out) {
    const written = await writeReport(analysis, out, {
      render: pictures(call),
      formats: call.options['png'] === true ? ['svg', 'png'] : ['svg'],
      onProgress: call.progress,
      signal: call.signal,
    });
    call.table(gainTableOf(analysis));
    call.print(`wrote ${written.length} files to ${out}; open ${out}/report.html`);
  }
  call.json(summarise(analysis));
};

export const command: Command = {
  path: ['temporal'],
  words: 'CATALOG…',
  summary: 'how often tiles are seen, by each sensor and by several together: tables, figures, report.html',
  examples: [
    'temporal items.json --sensors s2,gf1 --out report',
    'temporal s2.csv gf1.csv --columns tile=TILE,datetime=DATE,cloud=CLOUD --from 2024-01-01 --out report',
  ],
  options: {
    sensors: {
      type: 'string',
      value: 'A,B',
      help: 'sensors to count: s2, gf1, landsat, one satellite (landsat-8) or names of your own; all that are there by default',
    },
    columns: {
      type: 'string',
      multiple: true,
      value: '[FILE:]MAP',
      help: "columns of a CSV: tile=A+B,sensor='landsat-8',datetime=C,cloud=D (percent; or clear=D, a fraction; + joins, quotes make a constant); repeat it, one for each catalog in order or with FILE: before it",
    },
    tiles: { type: 'string', value: 'T,T', help: 'tiles to keep (default those of all sensors)' },
    from: {
      type: 'string',
      value: 'DATE',
      help: 'first day counted (default the first that all sensors cover)',
    },
    to: { type: 'string', value: 'DATE', help: 'last day counted (default the last that all sensors cover)' },
    all: {
      type: 'boolean',
      help: 'count every tile and the whole period, not only what all sensors have in common',
    },
    clear: {
      type: 'string',
      value: 'SHARE',
      default: '0.7',
      help: 'least clear share of a clear observation',
    },
    out: { type: 'string', value: 'DIR', help: 'folder for tables, figures (HTML, SVG) and report.html' },
    png: { type: 'boolean', help: 'draw the figures as PNG, too' },
  },
  run,
};
