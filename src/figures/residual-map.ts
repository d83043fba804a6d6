import type { Figure, Trace } from './figure.js';
import { imagePanels } from './image-panels.js';
import { panelAxes } from './panels.js';
import { divergingScale, inReflectance, themed } from './theme.js';

/** Residuals of one method over one patch and band. */
export interface ResidualPanel {
  heading: string;
  /** Prediction − target, stored units, [height, width]; NaN where masked. */
  residuals: ArrayLike<number>;
}

/** The residuals of one band: prediction − target, NaN where the mask is 0. */
export const residualsOf = (
  prediction: ArrayLike<number>,
  { target, mask, width, height }: { target: Int16Array; mask: Uint8Array; width: number; height: number },
  band: number,
): Float32Array =>
  Float32Array.from({ length: width * height }, (_, i) =>
    mask[i] > 0 ? prediction[band * width * height + i] - target[band * width * height + i] : Number.NaN,
  );

const quantileOfSizes = (panels: readonly ResidualPanel[], share: number): number => {
  const sizes = panels.flatMap(({ residuals }) =>
    Array.from(residuals).filter(Number.isFinite).map(Math.abs),
  );
  sizes.sort((a, b) => a - b);
  return sizes[Math.floor(share * (sizes.length - 1))] ?? 1;
};

/**
 * Maps of prediction − target over one patch, one per method. The colour scale is common and symmetric, up to the 98 %
 * quantile of |residual|; masked pixels are empty.
 */
export const residualMap = (
  panels: readonly ResidualPanel[],
  size: { width: number; height: number; columns?: number },
  title = 'Residuals',
): Figure => {
  const { width, height } = size;
  const columns = Math.min(panels.length, size.columns ?? 3);
  const range = Math.max(1, Math.ceil(quantileOfSizes(panels, 0.98)));
  return {
    data: panels.map(
      ({ residuals }, panel): Trace => ({
        type: 'heatmap',
        z: Array.from({ length: height }, (_, row) =>
          Array.from({ length: width }, (_, column) => {
            const value = residuals[row * width + column];
            return Number.isFinite(value) ? Math.round(value) : null;
          }),
        ),
        coloraxis: 'coloraxis',
        hoverongaps: false,
        hovertemplate: 'column %{x}, row %{y}: %{z}<extra></extra>',
        ...panelAxes(panel),
      }),
    ),
    layout: themed({
      title,
      coloraxis: {
        colorscale: divergingScale,
        cmin: -range,
        cmax: range,
        colorbar: { title: { text: inReflectance('prediction − target'), side: 'right' }, thickness: 14 },
      },
      ...imagePanels(
        panels.map(({ heading }) => heading),
        { width, height, columns },
        { right: 110 },
      ),
    }),
  };
};
