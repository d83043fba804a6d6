import { basename, extname } from 'node:path';
import { bandsNamed } from './band-names.js';
import { addressOf } from './byte-source.js';
import type { Raster } from './raster.js';

/** The name of a file or of what a URL points to, its query left out. */
export const fileName = (path: string): string => basename(addressOf(path)?.split(/[?#]/)[0] ?? path);

export const stem = (path: string): string => {
  const name = fileName(path);
  return basename(name, extname(name));
};

/** 1-based bands that hold data: all but alpha. */
export const dataBands = ({ colours }: Raster): number[] =>
  colours.flatMap((colour, index) => (colour === 'alpha' ? [] : [index + 1]));

const colourNames = new Set(['red', 'green', 'blue', 'nir']);

/** The model's bands by colour: the last that is not coloured is the one band that is left, as in R, G, B and infrared. */
const byColour = (raster: Raster, names: readonly string[]): number[] | null => {
  const data = dataBands(raster);
  const of = names.map((name) => data.filter((band) => raster.colours[band - 1] === name.toLowerCase()));
  if (of.some((found) => found.length > 1)) return null;
  const coloured = of.flat();
  const without = of.flatMap((found, index) => (found.length === 0 ? [index] : []));
  if (without.length === 0) return of.map(([band]) => band);
  const left = data.filter((band) => !coloured.includes(band));
  if (without.length !== 1 || left.length !== 1 || coloured.length < 2) return null;
  return of.map(([band]) => band ?? left[0]);
};

/** 1-based bands of one file for each of `names`, or a line that says what is open. */
export const bandsOf = (
  raster: Raster,
  names: readonly string[],
  flag: string,
): readonly number[] | string => {
  const data = dataBands(raster);
  const { path, bandNames, colours } = raster;
  const context = [stem(path), ...Object.values(raster.items).filter((item) => item.length < 100)];
  const named = bandsNamed(bandNames, names, context);
  const of = names.map((name) => data.filter((band) => named[band - 1] === name));
  const example = `${flag}${names.map((_, index) => of[index][0] ?? '?').join(',')}`;
  if (data.some((band) => named[band - 1] !== null)) {
    const listed = data.map((band) => bandNames[band - 1] || 'unnamed').join(', ');
    const missing = names.filter((_, index) => of[index].length === 0);
    const twice = names.filter((_, index) => of[index].length > 1);
    if (missing.length > 0 || twice.length > 0) {
      const what =
        missing.length > 0
          ? `no band is ${missing.join(' or ')}`
          : `several bands are ${twice.join(' and ')}`;
      return `bands: ${path} calls its bands ${listed}, ${what}; say which they are: ${example}`;
    }
    const wrong = of.findIndex(([band], index) => {
      const colour = colours[band - 1];
      return (
        colourNames.has(colour) && colour !== names[index].toLowerCase() && colourNames.has(names[index])
      );
    });
    if (wrong >= 0)
      return `bands: ${path} calls band ${of[wrong][0]} ${bandNames[of[wrong][0] - 1]} and colours it ${colours[of[wrong][0] - 1]}; say which they are: ${example}`;
    return of.map(([band]) => band);
  }
  const coloured = byColour(raster, names);
  if (coloured) return coloured;
  const hasColours = data.some((band) => colourNames.has(colours[band - 1]));
  if (data.length === names.length && !hasColours) return data;
  const alpha = raster.bands - data.length;
  return `bands: ${path} has ${data.length}${alpha > 0 ? ' and an alpha band' : ''}, which do not name ${names.join(', ')}; say which they are: ${flag}1,2,3,…`;
};
