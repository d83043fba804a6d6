/** Rows of positions of all samples: address of the first row, distances of rows and of samples, bytes. */
export interface Rows {
  at: number;
  row: number;
  sample: number;
}

export const pad4 = (count: number): number => (count + 3) & ~3;

/** Rows of `channels` (padded) without gaps. */
export const denseRows = (at: number, length: number, channels: number): Rows => ({
  at,
  row: pad4(channels) * 4,
  sample: length * pad4(channels) * 4,
});

/** From `column`, bytes, of the row after the zero row that leads each sample. */
export const inside = (rows: Rows, column = 0): Rows => ({ ...rows, at: rows.at + rows.row + column });
