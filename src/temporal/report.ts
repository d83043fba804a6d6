import { join } from 'node:path';
import { syntheticMarker } from '../dataset/synth/marker.js';
import { csvTable, markdownTable } from '../evaluation/render-table.js';
import { cellText, type Table } from '../evaluation/table.js';
import { escapeHtml, figurePage } from '../figures/page.js';
import { explorerCode, explorerHtml } from '../figures/temporal/explorer.js';
import { writeAtomic, writeJson } from '../files.js';
import { ignoreProgress, type OnProgress } from '../progress.js';
import type { Analysis } from './analyse.js';
import { type AnalysisFigure, analysisFigures } from './analysis-figures.js';
import { gainTableOf, monthTableOf, shortTileTableOf, tileTableOf } from './analysis-tables.js';
import { dayText } from './days.js';
import { explorerData } from './explore.js';
import { sensorLabel } from './sensors.js';
import { summarise } from './summary.js';

/** Rows of a table shown on the page; the CSV files have all. */
const shownRows = 300;

/** A table as HTML, for a page of `figurePage`. */
export const tableHtml = ({ caption, columns, rows, notes = [] }: Table): string => {
  const named = columns.map((_, at) => rows.every(({ cells }) => typeof cells[at] === 'string'));
  const style = (at: number): string => (named[at] ? ' class="name"' : '');
  const head = columns.map(
    ({ label, unit }, at) => `<th${style(at)}>${escapeHtml(unit ? `${label} [${unit}]` : label)}</th>`,
  );
  const body = rows
    .slice(0, shownRows)
    .map(
      ({ cells }) =>
        `<tr>${cells.map((cell, at) => `<td${style(at)}>${escapeHtml(cellText(cell, columns[at]))}</td>`).join('')}</tr>`,
    );
  const more = rows.length > shownRows ? [`${rows.length - shownRows} more rows are in the CSV file.`] : [];
  return `<table><caption>${escapeHtml(caption)}</caption><thead><tr>${head.join('')}</tr></thead><tbody>${body.join(
    '',
  )}</tbody></table>${[...notes, ...more].map((note) => `<p class="note">${escapeHtml(note)}</p>`).join('')}`;
};

/** A CSV has no caption, so that every row carries the label. */
const simulatedColumn = (table: Table): Table => ({
  ...table,
  columns: [...table.columns, { label: 'simulated' }],
  rows: table.rows.map((row) => ({ ...row, cells: [...row.cells, 'true'] })),
});

/** The page is dark where its reader's system is, as the explorer on it; plotly's figures stay on white. */
const reportStyle = `<style>.figure{background:#fff;border-radius:8px;overflow:hidden}pre{overflow-x:auto}
@media (prefers-color-scheme:dark){body{background:#14171a;color:#e8eaed}.note{color:#a3abb5}th,td{border-color:#323840}.simulated{color:#222}}</style>`;

const introduction = ({
  sensors,
  period,
  statistics,
  threshold,
  notes,
  simulated,
  synthetic,
}: Analysis): string =>
  [
    reportStyle,
    '<h1>Temporal frequency</h1>',
    simulated ? '<p class="simulated">These acquisitions are simulated, not observed.</p>' : '',
    `<p>${escapeHtml(sensors.map(sensorLabel).join(', '))} over ${statistics.size} ${
      statistics.size === 1 ? 'tile' : 'tiles'
    }, ${dayText(period.from)} to ${dayText(period.to)}. An observation is a UTC day on which a sensor saw the tile; it is clear where at least ${
      Math.round(threshold * 1000) / 10
    } % of what was seen is free of cloud.</p>`,
    ...synthetic.map(
      (told) =>
        `<details><summary>${syntheticMarker}: what the data were drawn with</summary><pre>${escapeHtml(JSON.stringify(told, null, 2))}</pre></details>`,
    ),
    ...notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`),
  ].join('\n');

/** The report as one self-contained HTML page: the explorer first, then tables and figures. */
export const reportPage = (analysis: Analysis, figures: readonly AnalysisFigure[]): Promise<string> =>
  figurePage('Temporal frequency', [
    { html: introduction(analysis) },
    { html: `${explorerHtml(explorerData(analysis))}\n<script>${explorerCode()}</script>` },
    { heading: 'Gain', html: tableHtml(gainTableOf(analysis)) },
    // where and when: the explorer shows them
    ...figures
      .filter(({ name }) => name !== 'calendar' && name !== 'map')
      .map(({ heading, figure }) => ({ heading, figure })),
    { heading: 'Tiles', html: tableHtml(shortTileTableOf(analysis)) },
  ]);

/** Draws a figure in a format; null where that fails. */
export type RenderFigure = (
  figure: AnalysisFigure['figure'],
  format: 'svg' | 'png',
) => Promise<Uint8Array | null>;

export interface ReportOptions {
  render?: RenderFigure;
  /** What `render` draws. @default ['svg'] */
  formats?: readonly ('svg' | 'png')[];
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/**
 * Writes an analysis into a folder: `report.html`, tables (`gain`, `tiles`, `months`; Markdown and CSV), `summary.json`, and
 * the figures as self-contained HTML (`figures/NAME.html`), also as SVG (and PNG: `formats`) where `render` is given.
 *
 * @returns paths relative to the folder, in the order written; `report.html` is last
 */
export const writeReport = async (
  analysis: Analysis,
  folder: string,
  { render, formats = ['svg'], onProgress = ignoreProgress, signal }: ReportOptions = {},
): Promise<string[]> => {
  const figures = analysisFigures(analysis);
  const pages: [string, () => Promise<string | Uint8Array | null>][] = [
    ...(
      [
        ['gain', gainTableOf(analysis), gainTableOf(analysis)],
        ['tiles', tileTableOf(analysis), shortTileTableOf(analysis)],
        ['months', monthTableOf(analysis), monthTableOf(analysis)],
      ] as const
    ).flatMap(([name, whole, short]): [string, () => Promise<string>][] => [
      [`${name}.csv`, async () => csvTable(analysis.simulated ? simulatedColumn(whole) : whole)],
      [`${name}.md`, async () => markdownTable(short)],
    ]),
    ...figures.flatMap(({ name, heading, figure }): [string, () => Promise<string | Uint8Array | null>][] => [
      [`figures/${name}.html`, () => figurePage(heading, [{ figure }])],
      ...(render
        ? formats.map((format): [string, () => Promise<string | Uint8Array | null>] => [
            `figures/${name}.${format}`,
            () => render(figure, format),
          ])
        : []),
    ]),
    ['report.html', () => reportPage(analysis, figures)],
  ];
  await writeJson(join(folder, 'summary.json'), summarise(analysis));
  const written = ['summary.json'];
  if (analysis.synthetic.length > 0) {
    const [first, ...others] = analysis.synthetic;
    await writeJson(join(folder, syntheticMarker), others.length > 0 ? analysis.synthetic : first);
    written.push(syntheticMarker);
  }
  for (const [index, [name, make]] of pages.entries()) {
    signal?.throwIfAborted();
    const content = await make();
    if (content !== null) {
      await writeAtomic(join(folder, name), content);
      written.push(name);
    }
    onProgress({ stage: 'report', done: index + 1, total: pages.length, unit: 'files' });
  }
  return written;
};
