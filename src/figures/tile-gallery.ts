import type { Knots } from '../models/mapping.js';
import type { Figure, Trace } from './figure.js';
import { filledRange, histogramShares, leastShare, lutDeparture } from './lut-departure.js';
import { gridAxes, legendAbove, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { commonStretch, type ReflectanceImage, rgbPicture } from './patch-rgb.js';
import { bandColour, bandLabel, inReflectance, themed } from './theme.js';

/** A tile of a gallery. */
export interface GalleryTile {
  /** A patch of the tile as the source sensor saw it; `heading` names the tile. */
  image: ReflectanceImage & { width: number; height: number; mask?: Uint8Array };
  /** Source counts, [bands·bins]. */
  histogram: ArrayLike<number>;
  lut: Knots;
}

/** Height of a row and of the space between two, CSS pixels. */
const [rowHeight, between] = [170, 46];

/**
 * A row per tile: a patch in true colour (its own stretch), the histogram of each band, and LUT − identity where the tile has
 * at least 0.1 % of its pixels.
 *
 * @param channels bands shown as red, green and blue
 */
export const tileGallery = (
  tiles: readonly GalleryTile[],
  bands: readonly string[],
  {
    channels = [2, 1, 0],
    source = 'S2',
    title = 'Tiles, their histograms and LUTs',
  }: { channels?: readonly number[]; source?: string; title?: string } = {},
): Figure => {
  const plot = tiles.length * rowHeight + (tiles.length - 1) * between;
  const grid: PanelGrid = { rows: tiles.length, columns: 3, gap: [0.09, between / plot] };
  const height = plot + 160;
  const rowOf = ({ image, histogram, lut }: GalleryTile, row: number): Trace[] => {
    const pixels = image.width * image.height;
    const stretch = commonStretch([image], channels, pixels, image.mask);
    const curves = bands.flatMap((band, b): Trace[] => {
      const style = { color: bandColour(band, b), width: 1.5 };
      const common = { type: 'scatter', mode: 'lines', name: bandLabel(band), legendgroup: band } as const;
      return [
        {
          ...common,
          ...histogramShares(histogram, b, lut.knots, lut.bandMax[b]),
          ...panelAxes(3 * row + 1),
          showlegend: row === 0,
          line: { ...style, shape: 'hvh' },
          hovertemplate: '%{x}: %{y:.1f} %<extra>%{fullData.name}</extra>',
        },
        {
          ...common,
          ...lutDeparture(lut, b, histogram, leastShare),
          ...panelAxes(3 * row + 2),
          showlegend: false,
          line: style,
          hovertemplate: '%{x}: %{y:+.0f}<extra>%{fullData.name}</extra>',
        },
      ];
    });
    return [
      {
        type: 'image',
        source: rgbPicture(image.values, image, channels, stretch),
        hoverinfo: 'skip',
        ...panelAxes(3 * row),
      },
      ...curves,
    ];
  };
  return {
    data: tiles.flatMap(rowOf),
    layout: themed({
      title,
      width: 900,
      height,
      ...gridAxes(grid, (row, column, panel) => {
        const { image, histogram, lut } = tiles[row];
        if (column === 0)
          return {
            x: { range: [-0.5, image.width - 0.5], visible: false, constrain: 'domain' },
            y: {
              range: [image.height - 0.5, -0.5],
              visible: false,
              constrain: 'domain',
              scaleanchor: panelAxes(panel).xaxis,
            },
          };
        const ranges = bands.map((_, b) => filledRange([histogram], b, lut.knots, lut.bandMax[b]));
        const range = [Math.min(...ranges.map(([low]) => low)), Math.max(...ranges.map(([, high]) => high))];
        const x = {
          range,
          nticks: 5,
          ...(row === tiles.length - 1 ? { title: { text: inReflectance(source) } } : {}),
        };
        return column === 1
          ? { x, y: { rangemode: 'tozero', title: { text: 'pixels [%]' } } }
          : {
              x,
              y: { zeroline: true, zerolinecolor: '#999999', title: { text: `LUT − ${source} [× 10⁴]` } },
            };
      }),
      annotations: tiles.map(({ image }, row) => panelHeading(3 * row, image.heading)),
      ...legendAbove(height),
    }),
  };
};
