import type { Table } from '../evaluation/table.js';
import { Fault } from '../fault.js';
import type { FinishedRun } from '../training/list-runs.js';
import { loadAligner } from '../training/load-weights.js';

/**
 * The lines that runs of a `linear` model fitted, as such coefficients are published: target = slope · source + offset of each
 * band, the offset in reflectance; a row for each run.
 *
 * @throws Fault for a run whose mappings are no lines
 */
export const lineTable = async (runs: readonly FinishedRun[]): Promise<Table> => {
  const { bands, bins } = runs[0].experiment.data;
  const rows = runs.map(async ({ folder, experiment, result }) => {
    // the same line for every tile
    const tile = { histogram: new Float64Array(bands.length * bins) };
    const mapping = await (await loadAligner(folder.best)).mapping(tile);
    if (mapping.form !== 'affine')
      throw new Fault(`run: ${result.tag}; its model, ${experiment.model.kind}, has no line`);
    const { slope, intercept } = mapping;
    const lines = bands.map((_, b) => {
      const offset = (Math.abs(intercept[b]) / 10_000).toFixed(4);
      return `${slope[b].toFixed(4)} ${intercept[b] < 0 ? '−' : '+'} ${offset}`;
    });
    return { cells: [result.tag, ...lines] };
  });
  return {
    caption: 'Fitted lines: slope and offset (reflectance)',
    columns: ['run', ...bands].map((label) => ({ label })),
    rows: await Promise.all(rows),
  };
};
