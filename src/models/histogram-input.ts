/**
 * What the UNet sees of a tile: `share`, the histogram L1-normalised per band (paper code), or `sqrt`, the square root
 * of that × 4, which lifts sparse bins. A band without counts stays zero.
 *
 * @param counts [bands·bins]
 */
export const histogramInput = (
  counts: ArrayLike<number>,
  bands: number,
  form: 'share' | 'sqrt',
  out: Float32Array = new Float32Array(counts.length),
  offset = 0,
): Float32Array => {
  const bins = counts.length / bands;
  for (let band = 0; band < bands; band++) {
    let total = 0;
    for (let bin = 0; bin < bins; bin++) total += counts[band * bins + bin];
    for (let bin = 0; bin < bins; bin++) {
      const share = total > 0 ? counts[band * bins + bin] / total : 0;
      out[offset + band * bins + bin] = form === 'share' ? share : 4 * Math.sqrt(share);
    }
  }
  return out;
};
