import type { Figure, Trace } from './figure.js';
import { gridAxes, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { themed } from './theme.js';

/** Reflectance of one image of a patch. */
export interface ReflectanceImage {
  heading: string;
  /** Stored units (reflectance × 10 000), [bands, height, width]. */
  values: ArrayLike<number>;
}

/** Values that become black and white, stored units, of each of the three channels. */
export interface Stretch {
  low: readonly number[];
  high: readonly number[];
}

/** A stretch from the 2 to the 98 % quantile of each channel, over all the images: what is equal looks equal. */
export const commonStretch = (
  images: readonly ReflectanceImage[],
  channels: readonly number[],
  pixels: number,
): Stretch => {
  const sorted = channels.map((band) =>
    Float32Array.from(
      images.flatMap(({ values }) => Array.from({ length: pixels }, (_, i) => values[band * pixels + i])),
    ).sort(),
  );
  const at = (share: number): number[] =>
    sorted.map((values) => values[Math.floor(share * (values.length - 1))]);
  return { low: at(0.02), high: at(0.98) };
};

/**
 * Images of one patch side by side in colour, all under the same stretch, so that only what differs looks different.
 * Masked pixels are grey.
 *
 * @param channels bands shown as red, green and blue: [2, 1, 0] is true colour in the order blue, green, red, NIR;
 *   [3, 2, 1] shows plants red
 */
export const patchRgb = (
  images: readonly ReflectanceImage[],
  { width, height, mask }: { width: number; height: number; mask?: Uint8Array },
  {
    channels = [2, 1, 0],
    stretch = commonStretch(images, channels, width * height),
    title = 'One patch',
  }: { channels?: readonly number[]; stretch?: Stretch; title?: string } = {},
): Figure => {
  const pixels = width * height;
  const grid: PanelGrid = { rows: 1, columns: images.length, gap: [0.03, 0] };
  const shade = (value: number, channel: number): number => {
    const { low, high } = stretch;
    const share = (value - low[channel]) / Math.max(1, high[channel] - low[channel]);
    return Math.round(255 * Math.min(1, Math.max(0, share)));
  };
  return {
    data: images.map(
      ({ values }, panel): Trace => ({
        type: 'image',
        z: Array.from({ length: height }, (_, row) =>
          Array.from({ length: width }, (_, column) => {
            const at = row * width + column;
            if (mask && mask[at] === 0) return [200, 200, 200];
            return channels.map((band, channel) => shade(values[band * pixels + at], channel));
          }),
        ),
        hovertemplate: 'column %{x}, row %{y}<extra></extra>',
        ...panelAxes(panel),
      }),
    ),
    layout: themed({
      title,
      width: 290 * images.length + 90,
      height: Math.round((290 * height) / width) + 130,
      ...gridAxes(grid, (_, column, panel) => ({
        x: {
          range: [-0.5, width - 0.5],
          showgrid: false,
          constrain: 'domain',
          title: { text: 'column [pixels]' },
        },
        y: {
          range: [height - 0.5, -0.5],
          showgrid: false,
          constrain: 'domain',
          scaleanchor: panelAxes(panel).xaxis,
          ...(column === 0 ? { title: { text: 'row [pixels]' } } : { showticklabels: false }),
        },
      })),
      annotations: images.map(({ heading }, panel) => panelHeading(grid, panel, heading)),
    }),
  };
};
