import type { FigureValue, Layout } from './figure.js';
import { headingName } from './panels.js';
import { textWidth } from './static/figure-font.js';
import type { PlotlyFigure } from './static/plain-figure.js';

const regular = { bold: false, italic: false };

/** Text in lines of at most `width` pixels, broken between words. */
const wrapped = (text: string, size: number, width: number): string[] => {
  const lines: string[] = [];
  for (const word of text.split(/\s+|<br>/)) {
    const longer = lines.length > 0 ? `${lines.at(-1)} ${word}` : word;
    if (lines.length > 0 && textWidth(longer, size, regular) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
};

const record = (value: unknown): Layout =>
  typeof value === 'object' && value !== null ? (value as Layout) : {};
const list = (value: unknown): readonly Layout[] => (Array.isArray(value) ? (value as Layout[]) : []);

const start = (axis: Layout): number => (axis['domain'] as [number, number] | undefined)?.[0] ?? 0;

/** A panel by the keys of its axes in the layout. */
interface Panel {
  x: string;
  y: string;
  left: number;
  bottom: number;
}

/** Panels in stacking order: row by row where each has a heading, else column by column. */
const panelsOf = (layout: Layout, headings: number): Panel[] => {
  const panels = Object.keys(layout)
    .filter((key) => /^xaxis\d*$/.test(key))
    .map((x): Panel => {
      const anchor = record(layout[x])['anchor'];
      const y = `yaxis${typeof anchor === 'string' ? anchor.slice(1) : x.slice(5)}`;
      return { x, y, left: start(record(layout[x])), bottom: start(record(layout[y])) };
    });
  return headings >= panels.length
    ? panels.toSorted((a, b) => b.bottom - a.bottom || a.left - b.left)
    : panels.toSorted((a, b) => a.left - b.left || b.bottom - a.bottom);
};

const textOf = (title: FigureValue): string | undefined => {
  const text = typeof title === 'string' ? title : record(title)['text'];
  return typeof text === 'string' ? text : undefined;
};

/** The title of the first axis that has one, wrapped to `length` CSS pixels. */
const axisTitle = (axes: readonly Layout[], length: number): FigureValue => {
  const title = axes.map((axis) => axis['title']).find((one) => textOf(one) !== undefined);
  return title === undefined
    ? undefined
    : { ...record(title), text: wrapped(textOf(title)!, 13, length).join('<br>') };
};

const legendHeight = ({ data, layout = {} }: PlotlyFigure, width: number): number => {
  if ('showlegend' in layout && layout.showlegend === false) return 0;
  const names = (data as { name?: string; showlegend?: boolean; visible?: unknown }[])
    .filter(({ showlegend, visible }) => showlegend !== false && visible !== false)
    .map(({ name = '' }) => name);
  if (names.length < 2) return 0;
  const widest = Math.max(...names.map((name) => textWidth(name, 12, regular)));
  return 19 * Math.ceil(names.length / Math.max(1, Math.floor(width / (widest + 56)))) + 12;
};

/** Height of a panel and of the space between two, CSS pixels. */
const [panelHeight, between] = [200, 70];

/**
 * The layout of a figure for a phone: panels stacked, each with its own axis titles and tick labels, the title wrapped,
 * legend and colour bar at the bottom. Panels stay where they are if an annotation or shape is placed by `paper`
 * coordinates, which would not follow them.
 *
 * @param width available width, CSS pixels
 */
export const narrowLayout = (figure: PlotlyFigure, width = 358): Layout => {
  const layout = record(figure.layout);
  const annotations = list(layout['annotations']);
  const headings = annotations.filter(({ name }) => name === headingName).length;
  // what is placed on the whole figure would not follow its panel
  const tied = [...annotations, ...list(layout['shapes'])].some(
    ({ xref, yref }) => xref === 'paper' || yref === 'paper',
  );
  const panels = tied ? [] : panelsOf(layout, headings);
  const title = layout['title'];
  const text = textOf(title);
  const lines = text === undefined ? [] : wrapped(text, 14, width - 28);
  const [menus, sliders] = [list(layout['updatemenus']), list(layout['sliders'])];
  const legend = legendHeight(figure, width - 20);
  const bar = layout['coloraxis'] ? 64 : 0;
  const slider = sliders.length > 0 ? 110 : 0;
  const top = 24 + 18 * lines.length + (menus.length > 0 ? 46 : 0) + (headings > 0 ? 18 : 0);
  const foot = 58 + legend + bar + slider;
  const plot = panels.length * panelHeight + (panels.length - 1) * between;
  const own = typeof layout['height'] === 'number' ? layout['height'] : 450;
  const height = panels.length > 1 ? plot + top + foot : tied ? own : Math.min(own, 260) + top + foot;
  const axes: Record<string, FigureValue> = {};
  for (const [index, { x, y, left, bottom }] of panels.entries()) {
    const below = panels.filter((one) => one.left === left).toSorted((a, b) => a.bottom - b.bottom)[0];
    const beside = panels.filter((one) => one.bottom === bottom).toSorted((a, b) => a.left - b.left)[0];
    const from = 1 - (index * (panelHeight + between) + panelHeight) / plot;
    const [xAxis, yAxis] = [record(layout[x]), record(layout[y])];
    axes[x] = {
      ...xAxis,
      domain: [0, 1],
      showticklabels: true,
      title: axisTitle([xAxis, record(layout[below.x])], width - 80),
      automargin: true,
    };
    axes[y] = {
      ...yAxis,
      domain: [Math.max(0, from), Math.min(1, from + panelHeight / plot)],
      showticklabels: true,
      title: axisTitle([yAxis, record(layout[beside.y])], panelHeight),
      automargin: true,
    };
  }
  const colours = record(layout['coloraxis']);
  return {
    ...layout,
    ...axes,
    width: undefined,
    height,
    margin: { ...record(layout['margin']), l: 54, r: 14, t: top, b: foot },
    title: {
      ...record(title),
      text: lines.join('<br>'),
      font: { ...record(record(title)['font']), size: 14 },
    },
    legend: {
      ...record(layout['legend']),
      ...{ orientation: 'h', x: 0, xanchor: 'left', yref: 'container', y: 0.004, yanchor: 'bottom' },
    },
    updatemenus: menus.map((menu, index) => ({
      ...menu,
      ...{ x: menus.length > 1 ? index / menus.length : 0, xanchor: 'left', y: 1, yanchor: 'bottom' },
      pad: { b: 8 },
    })),
    sliders: sliders.map((one) => ({ ...one, x: 0, len: 1 })),
    ...(bar
      ? {
          coloraxis: {
            ...colours,
            colorbar: {
              ...record(colours['colorbar']),
              ...{ orientation: 'h', thickness: 12, len: 0.9, x: 0.5, xanchor: 'center' },
              ...{ yref: 'container', y: (legend + 4) / height, yanchor: 'bottom' },
              title: { ...record(record(colours['colorbar'])['title']), side: 'top' },
            },
          },
        }
      : {}),
  };
};
