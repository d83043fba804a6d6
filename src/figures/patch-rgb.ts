import { encodePng } from './encode-png.js';
import type { Figure, Trace } from './figure.js';
import { imagePanels } from './image-panels.js';
import { panelAxes } from './panels.js';
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

/** A stretch from the 2 to the 98 % quantile of each channel over the valid pixels of all the images. */
export const commonStretch = (
  images: readonly ReflectanceImage[],
  channels: readonly number[],
  pixels: number,
  mask?: Uint8Array,
): Stretch => {
  const valid = Array.from({ length: pixels }, (_, i) => i).filter((i) => mask === undefined || mask[i] > 0);
  const sorted = channels.map((band) =>
    Float32Array.from(images.flatMap(({ values }) => valid.map((i) => values[band * pixels + i]))).sort(),
  );
  const at = (share: number): number[] =>
    sorted.map((values) => values[Math.floor(share * (values.length - 1))] ?? 0);
  return { low: at(0.02), high: at(0.98) };
};

const masked = [200, 200, 200];

/** An RGB composite as a PNG data URL; masked pixels are grey. */
export const rgbPicture = (
  values: ArrayLike<number>,
  { width, height, mask }: { width: number; height: number; mask?: Uint8Array },
  channels: readonly number[],
  { low, high }: Stretch,
): string => {
  const pixels = width * height;
  const shade = (value: number, channel: number): number => {
    const share = (value - low[channel]) / Math.max(1, high[channel] - low[channel]);
    return Math.round(255 * Math.min(1, Math.max(0, share)));
  };
  const rgb = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++)
    rgb.set(
      mask && mask[i] === 0
        ? masked
        : channels.map((band, channel) => shade(values[band * pixels + i], channel)),
      3 * i,
    );
  return `data:image/png;base64,${encodePng(rgb, width, height).toString('base64')}`;
};

/**
 * RGB composites of one patch side by side, with a common stretch, so that differences in colour are differences in
 * reflectance. Masked pixels are grey.
 *
 * @param channels bands shown as red, green and blue: [2, 1, 0] is true colour in the order blue, green, red, NIR;
 *   [3, 2, 1] is colour infrared, vegetation in red
 */
export const patchRgb = (
  images: readonly ReflectanceImage[],
  { width, height, mask }: { width: number; height: number; mask?: Uint8Array },
  {
    channels = [2, 1, 0],
    stretch = commonStretch(images, channels, width * height, mask),
    title = 'One patch',
  }: { channels?: readonly number[]; stretch?: Stretch; title?: string } = {},
): Figure => ({
  data: images.map(
    ({ values }, panel): Trace => ({
      type: 'image',
      source: rgbPicture(values, { width, height, mask }, channels, stretch),
      hovertemplate: 'column %{x}, row %{y}<extra></extra>',
      ...panelAxes(panel),
    }),
  ),
  layout: themed({
    title,
    ...imagePanels(
      images.map(({ heading }) => heading),
      { width, height },
    ),
  }),
});
