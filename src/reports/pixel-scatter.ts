import { tileKey } from '../dataset/patch.js';
import { poolTiles } from '../evaluation/tile-record.js';
import { densityScatter } from '../figures/density-scatter.js';
import type { Figure } from '../figures/figure.js';
import { countPixels, emptyJointCounts } from '../figures/joint-counts.js';
import { alignPixels } from '../models/mapping.js';
import { ignoreProgress } from '../progress.js';
import type { FinishedRun } from '../training/list-runs.js';
import { loadAligner } from '../training/load-weights.js';
import { prepareData } from '../training/prepare-data.js';

/** One row of the figure: runs that were each tested on other tiles (folds), or one run. */
export interface ScatterRow {
  method: string;
  runs: readonly FinishedRun[];
}

/** Up to the value that 99.9 % of the target's pixels stay below, for each band. */
const upperEnds = (histograms: readonly ArrayLike<number>[], bandMax: readonly number[]): number[] =>
  bandMax.map((max, band) => {
    const counts = Array.from(histograms[band]);
    const total = counts.reduce((sum, count) => sum + count, 0);
    let [bin, below] = [0, 0];
    while (bin < counts.length && below < 0.999 * total) below += counts[bin++];
    return (bin * max) / counts.length;
  });

/**
 * Every test pixel of some runs against the target, as densities: a row a method, a column a band. Reads the test list once for
 * each run.
 *
 * @param root the dataset's folder
 * @param options.upTo upper ends of the axes, stored units; default where 99.9 % of the target's test pixels lie below
 */
export const pixelScatter = async (
  root: string,
  rows: readonly ScatterRow[],
  { target = 'GF1', title, upTo }: { target?: string; title?: string; upTo?: readonly number[] } = {},
): Promise<Figure> => {
  const { bands, bandMax } = rows[0].runs[0].experiment.data;
  let ends = upTo;
  const drawn: Parameters<typeof densityScatter>[0][number][] = [];
  for (const { method, runs } of rows) {
    let joints: ReturnType<typeof emptyJointCounts>[] | undefined;
    for (const { experiment, folder } of runs) {
      const data = await prepareData(experiment, root, { onProgress: ignoreProgress });
      ends ??= upperEnds(data.sum(data.lists.test).targetHistogram, bandMax);
      joints ??= ends.map((high) => emptyJointCounts(0, high, 44));
      const aligner = await loadAligner(folder.best);
      for (const patch of data.lists.test) {
        const pixels = await data.read(patch);
        const prediction = alignPixels(
          await aligner.mapping(data.tile(tileKey(patch))),
          aligner.conv,
          pixels,
        );
        for (const [band, joint] of joints.entries()) countPixels(joint, prediction, pixels, band);
      }
      await data.close();
    }
    const score = poolTiles(runs.flatMap(({ tiles }) => tiles.filter(({ split }) => split === 'test')));
    drawn.push({
      method,
      panels: joints!.map((joint, band) => ({
        joint,
        rmse: score.bands[band].rmse,
        r2: score.bands[band].r2,
      })),
    });
  }
  return densityScatter(drawn, bands, {
    target,
    title: title ?? `Prediction against ${target}, all test pixels`,
  });
};
