import type { ValueStatistics } from './value-statistics.js';

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Statistics of a scene that speak against its units, its bands or its nodata. Names are the model's. */
export const statisticsWarnings = (
  names: readonly string[],
  before: readonly ValueStatistics[],
  allZeroShare: number,
): string[] => {
  const warnings: string[] = [];
  const of = (name: string): ValueStatistics | undefined => before[names.indexOf(name)];
  names.forEach((name, band) => {
    const { above, below } = before[band];
    if (above > 0.05)
      warnings.push(`band ${name}: ${percent(above)} of values lie above the LUT and get its last value`);
    if (below > 0.05)
      warnings.push(`band ${name}: ${percent(below)} of values are negative; check the offset`);
  });
  const brightest = Math.max(...before.map(({ percentiles }) => percentiles['p99']));
  if (brightest < 1000)
    warnings.push(
      `scale: 99 % of all values are below ${Math.ceil(brightest)}, reflectance ${(brightest / 10_000).toFixed(3)}; dark for land: if the file holds reflectance × 1000, give --scale 1000`,
    );
  const [blue, red, nir] = [of('blue'), of('red'), of('nir')];
  const median = (band: ValueStatistics): number => band.percentiles['p50'];
  // over land the near infrared is the brightest band, and blue no brighter than red
  if (blue && red && nir) {
    const visible = names.flatMap((name, band) =>
      ['blue', 'green', 'red'].includes(name) ? [before[band].percentiles['p75']] : [],
    );
    if (nir.percentiles['p75'] < 0.9 * Math.min(...visible))
      warnings.push('band order: nir is the darkest band, as over water; check it, or give --bands');
    else if (median(blue) > 1.2 * median(red) && median(nir) > median(red) && median(blue) > 500)
      warnings.push('band order: blue is brighter than red, rare over land; check it, or give --bands');
  }
  if (allZeroShare > 0.01)
    warnings.push(
      `nodata: ${percent(allZeroShare)} of the pixels are 0 and the file declares no nodata; give --nodata 0 if they are empty`,
    );
  return warnings;
};
