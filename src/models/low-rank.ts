import { seededRandom } from '../config/random.js';

/** Makes the rows of a matrix orthonormal, in place (Gram and Schmidt, twice for rounding); a row of nothing new becomes 0. */
const orthonormalise = (rows: Float64Array, count: number, width: number): void => {
  const row = (i: number): Float64Array => rows.subarray(i * width, (i + 1) * width);
  const dot = (a: Float64Array, b: Float64Array): number => {
    let sum = 0;
    for (let k = 0; k < width; k++) sum += a[k] * b[k];
    return sum;
  };
  for (let i = 0; i < count; i++) {
    const own = row(i);
    const before = Math.sqrt(dot(own, own));
    for (let again = 0; again < 2; again++)
      for (let j = 0; j < i; j++) {
        const other = row(j);
        const along = dot(own, other);
        for (let k = 0; k < width; k++) own[k] -= along * other[k];
      }
    const norm = Math.sqrt(dot(own, own));
    if (norm > 1e-10 * before) for (let k = 0; k < width; k++) own[k] /= norm;
    else own.fill(0);
  }
};

/**
 * The rows' best basis of `rank` vectors: M ≈ coordinates · basis with the least squared error, by subspace iteration (to some
 * digits; the same for the same matrix).
 *
 * @param m [count·width]
 * @returns basis [rank·width], orthonormal rows; coordinates [count·rank]; a rank of at most both sizes
 */
export const lowRank = (
  m: Float64Array,
  width: number,
  wish: number,
): { rank: number; basis: Float64Array; coordinates: Float64Array } => {
  const count = m.length / width;
  const rank = Math.min(wish, count, width);
  const random = seededRandom('low rank', width, rank);
  const basis = Float64Array.from({ length: rank * width }, () => random.normal());
  const coordinates = new Float64Array(count * rank);
  const project = (): void => {
    for (let i = 0; i < count; i++)
      for (let r = 0; r < rank; r++) {
        let sum = 0;
        for (let k = 0; k < width; k++) sum += m[i * width + k] * basis[r * width + k];
        coordinates[i * rank + r] = sum;
      }
  };
  orthonormalise(basis, rank, width);
  for (let iteration = 0; iteration < 8; iteration++) {
    project();
    basis.fill(0);
    for (let i = 0; i < count; i++)
      for (let r = 0; r < rank; r++) {
        const along = coordinates[i * rank + r];
        for (let k = 0; k < width; k++) basis[r * width + k] += along * m[i * width + k];
      }
    orthonormalise(basis, rank, width);
  }
  project();
  return { rank, basis, coordinates };
};
