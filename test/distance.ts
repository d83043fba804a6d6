/** ‖a − b‖ / ‖b‖; NaN where a value is. */
export const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  return Math.sqrt(difference / norm);
};
