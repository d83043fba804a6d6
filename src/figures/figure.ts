/** A value that JSON can hold: what a figure is made of, so that it can be stored, inlined and compared. */
export type FigureValue =
  | string
  | number
  | boolean
  | null
  | undefined
  | readonly FigureValue[]
  | { readonly [key: string]: FigureValue };

/** One plotly trace; keys as in https://plotly.com/javascript/reference. */
export type Trace = { readonly type: string; readonly name?: string } & {
  readonly [key: string]: FigureValue;
};

/** A plotly layout, or any part of one: JSON. */
export type Layout = { readonly [key: string]: FigureValue };

/** A state of an animated or slider-driven figure: what it replaces, by the trace index in `traces`. */
export type Frame = {
  readonly name: string;
  readonly data: readonly { readonly [key: string]: FigureValue }[];
  readonly traces?: readonly number[];
  readonly layout?: Layout;
};

/**
 * A plotly figure as plain JSON: `Plotly.newPlot(element, figure)` and a notebook's
 * `application/vnd.plotly.v1+json` take it as it is.
 *
 * Not `@types/plotly.js`: those types are of plotly 3, need the DOM library, add 10 000 lines to the type check of every
 * notebook cell, and describe what plotly accepts rather than what our functions return.
 */
export interface Figure {
  data: readonly Trace[];
  layout: Layout;
  config?: Layout;
  frames?: readonly Frame[];
}
