import { bandLabel } from '../figures/theme.js';
import type { FinishedRun } from '../training/list-runs.js';
import { escapeHtml } from './data-table.js';
import type { MimeBundle } from './kernel-output.js';

/** A run as a notebook shows it: what it was, and how it came out. */
export interface RunCard {
  kind: 'run';
  tag: string;
  /** `finished`, `running`, `failed`, … */
  status?: string;
  model?: string;
  /** Numbers to be read at a glance, with their units in the name: `RMSE red (×10⁴)`. */
  metrics?: Readonly<Record<string, number>>;
  /** Settings that tell this run from others. */
  settings?: Readonly<Record<string, string | number | boolean>>;
  /** Seconds the run took. */
  seconds?: number;
  /** Where more is to be seen: a tracking server's page. */
  link?: string;
}

export const isRunCard = (value: unknown): value is RunCard =>
  typeof value === 'object' &&
  value !== null &&
  (value as { kind?: unknown }).kind === 'run' &&
  typeof (value as { tag?: unknown }).tag === 'string';

/** A finished run's card: what it is, and its test scores. */
export const runCard = ({ experiment, result }: FinishedRun): RunCard => {
  const { n, bands, ndvi } = result.scores.test;
  const { seed, train } = experiment;
  return {
    ...{ kind: 'run', tag: result.tag, status: 'finished', model: result.kind },
    metrics: {
      ...(result.training ? { epochs: result.training.epochs } : {}),
      ...(result.parameters === null ? {} : { parameters: result.parameters }),
      'test pixels': n,
      ...Object.fromEntries(
        experiment.data.bands.map((band, at) => [`RMSE ${bandLabel(band)} (×10⁴)`, bands[at].rmse]),
      ),
      ...(ndvi ? { 'RMSE NDVI': ndvi.rmse } : {}),
    },
    settings: { seed, ...(result.training ? { batch: train.batchSize, 'learning rate': train.lr } : {}) },
  };
};

const number = (value: number): string =>
  Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(5)));

const duration = (seconds: number): string =>
  seconds < 120 ? `${number(seconds)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;

/** A card for the eye and a few lines for the terminal. */
export const runBundle = ({
  tag,
  status,
  model,
  metrics = {},
  settings = {},
  seconds,
  link,
}: RunCard): MimeBundle => {
  const head = [model, status, seconds === undefined ? undefined : duration(seconds)].filter(
    (part): part is string => part !== undefined,
  );
  const pairs = (entries: [string, unknown][]): string =>
    entries
      .map(
        ([name, value]) =>
          `<tr><th scope="row" style="text-align:left">${escapeHtml(name)}</th><td style="text-align:right">${escapeHtml(
            typeof value === 'number' ? number(value) : String(value),
          )}</td></tr>`,
      )
      .join('');
  const safeLink = link !== undefined && /^https?:\/\//.test(link) ? link : undefined;
  const title = safeLink ? `<a href="${escapeHtml(safeLink)}">${escapeHtml(tag)}</a>` : escapeHtml(tag);
  return {
    'text/html': [
      '<section style="border:1px solid #8884;border-radius:6px;padding:8px 14px;display:inline-block">',
      `<p style="margin:0"><strong>${title}</strong>${head.length > 0 ? ` · ${head.map(escapeHtml).join(' · ')}` : ''}</p>`,
      Object.keys(metrics).length > 0 ? `<table>${pairs(Object.entries(metrics))}</table>` : '',
      Object.keys(settings).length > 0
        ? `<details><summary>settings</summary><table>${pairs(Object.entries(settings))}</table></details>`
        : '',
      '</section>',
    ]
      .filter(Boolean)
      .join('\n'),
    'text/plain': [
      [tag, ...head].join('  '),
      ...Object.entries(metrics).map(([name, value]) => `  ${name}: ${number(value)}`),
      ...Object.entries(settings).map(([name, value]) => `  ${name} = ${String(value)}`),
    ].join('\n'),
  };
};
