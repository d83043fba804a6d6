import type { Random } from '../../config/random.js';

/** Labels one row of {@link fieldMap}; a call a row, so that the engine optimises it at once. */
const labelRow = (
  labels: Int32Array,
  seedX: Float64Array,
  seedY: Float64Array,
  across: number,
  reach: number,
  size: number,
  row: number,
  cos: number,
  sin: number,
): void => {
  const dy = row - size / 2;
  for (let column = 0; column < size; column++) {
    const dx = column - size / 2;
    const x = dx * cos + dy * sin + reach;
    const y = dy * cos - dx * sin + reach;
    const cellX = Math.floor(x);
    const cellY = Math.floor(y);
    let best = Number.POSITIVE_INFINITY;
    let label = 0;
    for (let j = cellY - 1; j <= cellY + 1; j++) {
      const end = j * across + cellX + 1;
      for (let at = end - 2; at <= end; at++) {
        const off = Math.abs(seedX[at] - x);
        if (off >= best) continue;
        const distance = Math.max(off, Math.abs(seedY[at] - y));
        if (distance < best) {
          best = distance;
          label = at;
        }
      }
    }
    labels[row * size + column] = label;
  }
};

/**
 * Blocks of a jittered lattice in a rotated frame: each fine pixel belongs to the seed that is nearest by the larger
 * of its two coordinate differences, which makes fields angular.
 */
export const fieldMap = (
  random: Random,
  size: number,
  rows: number,
  edge: number,
): { labels: Int32Array; count: number } => {
  const angle = random.next() * Math.PI;
  const [cos, sin] = [Math.cos(angle) / edge, Math.sin(angle) / edge];
  // the rotated square lies within ±reach of its centre
  const reach = Math.ceil((size * Math.SQRT1_2) / edge) + 2;
  const across = 2 * reach + 1;
  const [seedX, seedY] = [0, 1].map(() =>
    Float64Array.from({ length: across * across }, () => random.next()),
  );
  const labels = new Int32Array(size * rows);
  for (let row = 0; row < rows; row++) labelRow(labels, seedX, seedY, across, reach, size, row, cos, sin);
  return { labels, count: across * across };
};
