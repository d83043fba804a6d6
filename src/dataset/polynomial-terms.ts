/**
 * The terms of a polynomial of all bands, each as the bands that it multiplies: by total degree, then lexicographically,
 * the constant (`[]`) first. Four bands have 5, 15, 35 terms at degree 1, 2, 3.
 */
export const polynomialTerms = (bands: number, degree: number): number[][] => {
  const terms: number[][] = [[]];
  let before: number[][] = [[]];
  for (let power = 1; power <= degree; power++) {
    before = before.flatMap((term) =>
      Array.from({ length: bands - (term.at(-1) ?? 0) }, (_, i) => [...term, (term.at(-1) ?? 0) + i]),
    );
    terms.push(...before);
  }
  return terms;
};
