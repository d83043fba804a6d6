/** A plotly figure as the renderers take it: traces, and a layout. */
export interface PlotlyFigure {
  data: readonly object[];
  layout?: object;
  config?: object;
  frames?: readonly object[];
}

/** A figure that is nothing but JSON. */
export interface PlainFigure {
  data: object[];
  layout: object;
  config?: object;
  frames?: object[];
}

export const isPlotlyFigure = (value: unknown): value is PlotlyFigure => {
  if (typeof value !== 'object' || value === null) return false;
  const { data, layout } = value as { data?: unknown; layout?: unknown };
  return (
    Array.isArray(data) &&
    typeof layout === 'object' &&
    layout !== null &&
    data.every((trace) => typeof trace === 'object' && trace !== null)
  );
};

const plainNumber = (value: number, single: boolean): number | null => {
  if (!Number.isFinite(value)) return null;
  return single ? Number(value.toPrecision(7)) : value;
};

/**
 * A figure as plain JSON: typed arrays become lists (float32 rounded to its seven digits), dates ISO strings, NaN and ±∞
 * null, which plotly draws as a gap.
 */
const plain = (value: unknown): unknown => {
  if (typeof value === 'number') return plainNumber(value, false);
  if (value instanceof Date) return value.toISOString();
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    return Array.from(value as unknown as ArrayLike<number>, (item) =>
      plainNumber(Number(item), value instanceof Float32Array),
    );
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, inner]) => inner !== undefined && typeof inner !== 'function')
      .map(([key, inner]) => [key, plain(inner)]),
  );
};

export const plainFigure = ({ data, layout = {}, config, frames }: PlotlyFigure): PlainFigure =>
  plain({ data, layout, config, frames }) as PlainFigure;

/** The figure's title, however it is given, or undefined. */
export const figureTitle = (figure: PlotlyFigure): string | undefined => {
  const title = (figure.layout as { title?: unknown } | undefined)?.title;
  const text = typeof title === 'object' && title !== null ? (title as { text?: unknown }).text : title;
  return typeof text === 'string' && text !== ''
    ? text
        .replace(/<[^>]*>/g, ' ')
        .replace(/\s+/g, ' ')
        .trim()
    : undefined;
};
