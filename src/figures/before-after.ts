import { type DensityPanel, densityTrace, identityLine, pixelColours } from './density-scatter.js';
import type { Figure, Trace } from './figure.js';
import { gridAxes, type PanelGrid, panelAxes, panelHeading, panelNote } from './panels.js';
import { commonStretch, type ReflectanceImage, rgbPicture } from './patch-rgb.js';
import { bandLabel, inReflectance, themed } from './theme.js';

/** One patch as source, aligned source and target, with the density of one band against the target. */
export interface BeforeAfter {
  before: ReflectanceImage & { density: DensityPanel };
  after: ReflectanceImage & { density: DensityPanel };
  target: ReflectanceImage;
}

/**
 * Alignment in one figure. Top row: one patch in true colour before alignment, after it, and as the target sensor saw it,
 * all with the same stretch. Bottom row: density scatters of the target against the first two.
 *
 * @param size of the patch in pixels; masked pixels are grey
 * @param band the band of the scatters
 */
export const beforeAfter = (
  { before, after, target }: BeforeAfter,
  size: { width: number; height: number; mask?: Uint8Array },
  band: string,
  {
    channels = [2, 1, 0],
    title = 'Before and after alignment',
  }: { channels?: readonly number[]; title?: string } = {},
): Figure => {
  const grid: PanelGrid = { rows: 2, columns: 3, panels: 5, gap: [0.07, 0.1] };
  const images = [before, after, target];
  const stretch = commonStretch(images, channels, size.width * size.height, size.mask);
  const densities = [before.density, after.density];
  return {
    data: [
      ...images.map(
        ({ values }, panel): Trace => ({
          type: 'image',
          source: rgbPicture(values, size, channels, stretch),
          hoverinfo: 'skip',
          ...panelAxes(panel),
        }),
      ),
      ...densities.map(({ joint }, i) => densityTrace(joint, 3 + i)),
    ],
    layout: themed({
      title,
      width: 900,
      height: 640,
      showlegend: false,
      coloraxis: pixelColours(densities, { x: 0.76, xanchor: 'left', y: 0.21, len: 0.42 }),
      ...gridAxes(grid, (row, column) => {
        if (row === 0)
          return {
            x: { range: [-0.5, size.width - 0.5], visible: false, constrain: 'domain' },
            y: {
              range: [size.height - 0.5, -0.5],
              visible: false,
              constrain: 'domain',
              scaleanchor: panelAxes(column).xaxis,
            },
          };
        const { low, high } = densities[column].joint;
        const across = `${images[column].heading}, ${bandLabel(band)} [× 10⁴]`;
        const upwards = `${target.heading}, ${bandLabel(band)}`;
        return {
          x: { range: [low, high], nticks: 5, title: { text: across } },
          y: {
            range: [low, high],
            nticks: 5,
            ...(column === 0 ? { title: { text: inReflectance(upwards) } } : {}),
          },
        };
      }),
      shapes: densities.map(({ joint }, i) => identityLine(3 + i, joint)),
      annotations: [
        ...images.map(({ heading }, panel) => panelHeading(panel, heading)),
        ...densities.map(({ rmse, r2 }, i) =>
          panelNote(3 + i, `RMSE ${rmse.toFixed(1)}<br>R² ${r2.toFixed(3)}`),
        ),
      ],
    }),
  };
};
