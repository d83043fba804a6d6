import type { Experiment } from '../experiments/experiment.js';
import { modelOf } from '../models/index.js';
import type { Knots } from '../models/mapping.js';
import { loadAligner } from '../training/load-weights.js';
import { lossCurveOf } from '../training/loss-curve.js';
import type { RunResult } from '../training/result.js';
import type { RunFolder } from '../training/run-folder.js';
import type { LossCurve } from './loss-curves.js';
import { type Curve, lutDeparture } from './lut-departure.js';
import { escapeHtml } from './page.js';
import { bandColour, okabeIto } from './theme.js';

interface Series extends Curve {
  colour: string;
  /** Circles instead of a line. */
  circles?: boolean;
}

interface Panel {
  title: string;
  x: string;
  y: string;
  series: Series[];
}

/** About `count` round values between `low` and `high`. */
const ticks = (low: number, high: number, count: number): number[] => {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((times) => times * power >= raw) ?? 10);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => (first + i) * step);
};

const [width, height, left, top, right, bottom] = [420, 260, 62, 28, 12, 40];

const panelSvg = ({ title, x, y, series }: Panel, column: number, row: number): string => {
  const finite = (values: readonly (number | null)[]): number[] =>
    values.filter((value): value is number => value !== null && Number.isFinite(value));
  const range = (values: number[]): [number, number] => {
    const [low, high] = values.reduce(
      ([a, b], value) => [Math.min(a, value), Math.max(b, value)],
      [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    );
    return low < high ? [low, high] : Number.isFinite(low) ? [low - 1, low + 1] : [0, 1];
  };
  const [x0, x1] = range(finite(series.flatMap((one) => one.x)));
  const [y0, y1] = range(finite(series.flatMap((one) => one.y)));
  const atX = (value: number): string =>
    (left + ((value - x0) / (x1 - x0)) * (width - left - right)).toFixed(1);
  const atY = (value: number): string =>
    (height - bottom - ((value - y0) / (y1 - y0)) * (height - top - bottom)).toFixed(1);
  const grid = [
    ...ticks(x0, x1, 5).map(
      (value) =>
        `<path d="M${atX(value)} ${top}V${height - bottom}"/><text x="${atX(value)}" y="${height - bottom + 15}" text-anchor="middle">${value}</text>`,
    ),
    ...ticks(y0, y1, 5).map(
      (value) =>
        `<path d="M${left} ${atY(value)}H${width - right}"/><text x="${left - 6}" y="${Number(atY(value)) + 4}" text-anchor="end">${Number(value.toPrecision(6))}</text>`,
    ),
  ];
  const lines = series.map((one) => {
    const points = one.x.flatMap((value, i) => {
      const height = one.y[i];
      return height === null || !Number.isFinite(height) ? [null] : [`${atX(value)} ${atY(height)}`];
    });
    if (one.circles)
      return points
        .filter((point) => point !== null)
        .map((point) => {
          const [cx, cy] = point.split(' ');
          return `<circle cx="${cx}" cy="${cy}" r="3" fill="none" stroke="${one.colour}"/>`;
        })
        .join('');
    const path = points.map((point, i) => point && `${points[i - 1] ? 'L' : 'M'}${point}`).join('');
    return `<path d="${path}" fill="none" stroke="${one.colour}" stroke-width="1.8"/>`;
  });
  return `<g transform="translate(${column * width} ${row * height})"><g stroke="#ddd" fill="#444" stroke-width="1">${grid
    .join('')
    .replaceAll(
      '<text',
      '<text stroke="none"',
    )}</g>${lines.join('')}<g fill="#222"><text x="${left}" y="18" font-weight="bold">${escapeHtml(title)}</text><text x="${(left + width - right) / 2}" y="${height - 8}" text-anchor="middle">${escapeHtml(x)}</text><text transform="translate(14 ${(top + height - bottom) / 2}) rotate(-90)" text-anchor="middle">${escapeHtml(y)}</text></g></g>`;
};

const panelsSvg = (panels: readonly Panel[]): string => {
  const columns = Math.min(2, panels.length);
  const size = [columns * width, Math.ceil(panels.length / 2) * height];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${size[0]}" height="${size[1]}" viewBox="0 0 ${size.join(' ')}" font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>${panels
    .map((panel, i) => panelSvg(panel, i % 2, Math.floor(i / 2)))
    .join('')}</svg>\n`;
};

/** LUTs as departure from the identity, a panel per band; nothing where the training tiles have no pixels. */
const lutSvg = ({ values, ...lut }: Knots, bands: readonly string[], shares: Float32Array): string =>
  panelsSvg(
    bands.map((band, i) => {
      const counts = shares.length === values.length ? shares : null;
      return {
        title: `LUT of the mean training tile, ${band}`,
        x: 'source reflectance × 10⁴',
        y: 'LUT − source, × 10⁴',
        series: [{ ...lutDeparture({ ...lut, values }, i, counts, 0.001), colour: bandColour(band, i) }],
      };
    }),
  );

/** Training (line) and validation (circles) RMSE over bands by epoch. */
const lossSvg = ({ epochs, train, validated, val }: LossCurve): string => {
  const curve = (x: readonly number[], mse: readonly number[]): Curve => ({
    x: [...x],
    y: mse.map(Math.sqrt),
  });
  return panelsSvg([
    {
      title: 'Training (line) and validation (circles)',
      x: 'epoch',
      y: 'RMSE over bands, × 10⁴',
      series: [
        { ...curve(epochs, train), colour: okabeIto.blue },
        { ...curve(validated, val), colour: okabeIto.vermillion, circles: true },
      ],
    },
  ]);
};

/**
 * Figures of a finished run from its folder, as SVG: `lut`, for a model that has one, and `loss`, for one that was
 * trained. Drawn without plotly in milliseconds: every run that is sent to a server gets them.
 */
export const runFigures = async (run: {
  folder: RunFolder;
  experiment: Experiment;
  result: RunResult;
}): Promise<Record<string, string>> => {
  const figures: Record<string, string> = {};
  if (run.result.training) figures['loss'] = lossSvg(await lossCurveOf(run));
  // weights that cannot be read, or no longer: the rest of the run is worth showing
  const aligner = run.result.weights && (await loadAligner(run.folder.best).catch(() => null));
  // a mean tile has a histogram, but no joint ones
  if (!aligner?.domain || modelOf(run.experiment).joint) return figures;
  const shares = aligner.domain.meanHistogram;
  const mapping = await aligner.mapping({ histogram: Float64Array.from(shares, (share) => 1e6 * share) });
  if (mapping.form === 'lut') figures['lut'] = lutSvg(mapping, run.experiment.data.bands, shares);
  return figures;
};
