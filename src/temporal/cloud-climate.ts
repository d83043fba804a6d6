import { normalCdf } from '../config/random.js';
/**
 * Mean cloud cover of land by latitude and month, 0 … 1: a smooth stand-in for climatology, not a record of it.
 * Its shape is the zonal mean known from MODIS (King et al. 2013, IEEE TGRS 51(7): land about 55 % cloudy): a wet
 * belt that follows the Sun, dry subtropics either side of it, cloudy middle latitudes, more so in their winter.
 *
 * @param lat degrees
 * @param month 0 (January) … 11
 */
export const zonalCloud = (lat: number, month: number): number => {
  const season = Math.cos((2 * Math.PI * (month - 6.5)) / 12);
  const bell = (centre: number, width: number): number => Math.exp(-(((lat - centre) / width) ** 2));
  const rain = 0.42 * bell(10 * season, 12);
  const dry = 0.3 * (bell(24 + 6 * season, 10) + bell(-24 + 6 * season, 10));
  const north = lat > 0 ? -0.08 * season : 0.08 * season;
  const winter = Math.abs(lat) > 30 ? north : 0;
  return Math.min(0.92, Math.max(0.08, 0.58 + rain - dry + winter));
};

/**
 * A scene's cloud cover from a standard normal number: a Kumaraswamy distribution, whose quantile is closed, in the
 * U-shape that scenes have (most are nearly clear or nearly overcast), with the given mean.
 */
export const sceneCloud = (mean: number, z: number): number => {
  // F(x) = 1 − (1 − x^a)^b with a = 0.4; b solved for the mean b·B(1 + 1/a, b) by bisection
  const a = 0.4;
  let [low, high] = [Math.log(0.02), Math.log(20)];
  for (let step = 0; step < 40; step++) {
    const middle = (low + high) / 2;
    if (kumaraswamyMean(a, Math.exp(middle)) > mean) low = middle;
    else high = middle;
  }
  const share = Math.min(1 - 1e-9, Math.max(1e-9, normalCdf(z)));
  return (1 - (1 - share) ** (1 / Math.exp((low + high) / 2))) ** (1 / a);
};

/** log Γ (Lanczos, g = 7, nine terms). */
const logGamma = (x: number): number => {
  const terms = [
    676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
    -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
  ];
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const y = x - 1;
  const sum = terms.reduce((total, term, index) => total + term / (y + index + 1), 0.9999999999998099);
  const t = y + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(t) - t + Math.log(sum);
};

const kumaraswamyMean = (a: number, b: number): number =>
  b * Math.exp(logGamma(1 + 1 / a) + logGamma(b) - logGamma(1 + 1 / a + b));
