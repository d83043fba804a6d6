import type { Figure, FigureValue, Layout } from './figure.js';

/** Okabe & Ito's eight colours, told apart under every common colour blindness. */
export const okabeIto = {
  black: '#000000',
  orange: '#E69F00',
  skyBlue: '#56B4E9',
  green: '#009E73',
  yellow: '#F0E442',
  blue: '#0072B2',
  vermillion: '#D55E00',
  purple: '#CC79A7',
} as const;

/** The order in which series without a colour of their own take one; yellow last, it is faint on white. */
export const palette: readonly string[] = [
  okabeIto.blue,
  okabeIto.vermillion,
  okabeIto.green,
  okabeIto.purple,
  okabeIto.orange,
  okabeIto.skyBlue,
  okabeIto.black,
  okabeIto.yellow,
];

/** A colour for series `index` of any number. */
export const seriesColour = (index: number): string => palette[index % palette.length];

/** Colours of the four bands, in the order Blue, Green, Red, NIR. */
export const bandColours: readonly string[] = [
  okabeIto.blue,
  okabeIto.green,
  okabeIto.vermillion,
  okabeIto.purple,
];

const namedBands: Readonly<Record<string, string>> = {
  blue: okabeIto.blue,
  green: okabeIto.green,
  red: okabeIto.vermillion,
  nir: okabeIto.purple,
};

/** The colour of a band: by its name where that tells, else by its place. */
export const bandColour = (name: string, band: number): string =>
  namedBands[name.toLowerCase()] ?? bandColours[band % bandColours.length];

/** The name of a band in headings: `NIR`, `SWIR1`, `NDVI` in capitals, others as they are. */
export const bandLabel = (name: string): string =>
  /^(nir|swir|mir|tir|ndvi)\d*$/i.test(name) ? name.toUpperCase() : name;

/** A quantity with the unit of stored reflectance, as axes have it: `RMSE [reflectance × 10⁴]`. */
export const inReflectance = (quantity: string): string => `${quantity} [reflectance × 10⁴]`;

/** Viridis, for amounts: equal steps look equal, in grey too. */
export const sequentialScale = 'Viridis';

/** Five steps of Viridis without its ends, for classes with as many members each. */
export const quantileColours: readonly string[] = ['#443983', '#31688E', '#21918C', '#35B779', '#BDDF26'];

/** Blue, white, vermillion, for differences: light in the middle, told apart under every common colour blindness. */
export const divergingScale: readonly (readonly [number, string])[] = [
  [0, '#00436B'],
  [0.25, okabeIto.skyBlue],
  [0.5, '#F7F7F7'],
  [0.75, '#EE9A5B'],
  [1, '#8A3A00'],
];

export const font = { family: 'Arial, Helvetica, sans-serif', size: 13, color: '#222222' } as const;

const axis: Layout = {
  showline: true,
  linecolor: '#444444',
  linewidth: 1,
  ticks: 'outside',
  ticklen: 4,
  tickcolor: '#444444',
  gridcolor: '#e4e4e4',
  zeroline: false,
  automargin: true,
  title: { standoff: 10, font: { size: 13 } },
};

/** What every figure of ours starts from: white ground, dark axis lines, light grid, Okabe–Ito colours. */
export const baseLayout: Layout = {
  paper_bgcolor: '#ffffff',
  plot_bgcolor: '#ffffff',
  font,
  colorway: palette,
  xaxis: axis,
  yaxis: axis,
  margin: { l: 70, r: 24, t: 56, b: 60 },
  hoverlabel: { font: { family: font.family, size: 12 } },
  legend: { bgcolor: 'rgba(255,255,255,0.8)', borderwidth: 0 },
};

const isRecord = (value: FigureValue): value is Layout =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const merge = (base: Layout, over: Layout): Layout => {
  const out: Record<string, FigureValue> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = out[key];
    out[key] = isRecord(below) && isRecord(value) ? merge(below, value) : value;
  }
  return out;
};

/**
 * A layout on the house theme: `layout` merged over {@link baseLayout}, key by key. Every further axis in it
 * (`xaxis2`, `yaxis3`, …) gets the axis style too. `title` may be a plain text.
 */
export const themed = (layout: Layout): Layout => {
  const axes = Object.keys(layout).filter((key) => /^[xy]axis\d+$/.test(key));
  const base = { ...baseLayout, ...Object.fromEntries(axes.map((key) => [key, axis])) };
  const { title } = layout;
  const withTitle =
    typeof title === 'string'
      ? {
          ...layout,
          title: {
            ...{ text: title, x: 0.02, xanchor: 'left', y: 1, yanchor: 'top' },
            ...{ pad: { t: 14 }, font: { size: 16 } },
          },
        }
      : layout;
  return merge(base, withTitle);
};

/** The configuration for pages: sized to its place, no logo, no button that would upload the figure to plotly's cloud. */
export const defaultConfig: NonNullable<Figure['config']> = {
  responsive: true,
  displaylogo: false,
  showSendToCloud: false,
};
