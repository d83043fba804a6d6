/**
 * What a training step from sufficient statistics does beside the UNet: the LUTs of its output, their error and penalties
 * with the gradient by the output, and Adam. Arithmetic and its order are those of src/engine/step.ts.
 */
import { AdamPlan, StatisticsPlan } from '../src/engine/abi';
import { adam } from './adam';

// @ts-ignore: decorator
@inline
function stretch(base: f32, knot: f32, factor: f64): f32 {
  return <f32>(<f64>base + <f64><f32>(<f64>knot * factor));
}

/**
 * One band of one sample: from its column of the UNet's output to the gradient by it. Writes its squared error and the sums
 * of both penalties. `scratch`: 3·knots float32.
 */
export function statisticsErrorUnit(unit: i32, at: usize, scratch: usize): void {
  const plan = changetype<StatisticsPlan>(at);
  const bands = plan.bands, knots = plan.knots;
  const sample = unit / bands, band = unit % bands;
  const size = <usize>knots << 2;
  const row = <usize>((bands + 3) & ~3) << 2;
  const raw = plan.raw + <usize>(sample * knots) * row + (<usize>band << 2);
  const rawGradient = plan.rawGradient + <usize>(sample * knots) * row + (<usize>band << 2);
  const scale = load<f64>(plan.factors);
  const base = plan.base ? plan.base + <usize>band * size : 0;
  const lut = scratch, smooth = lut + size, falls = smooth + size;
  for (let k: usize = 0, from = raw; k < size; k += 4, from += row) {
    const value = load<f32>(from);
    store<f32>(lut + k, base ? stretch(load<f32>(base + k), value, scale) : <f32>(<f64>max<f32>(0, value) * scale));
  }

  // valid pixels of the batch: whole numbers, so that their sum is exact
  let n: f64 = 0;
  for (let i = 0; i < plan.samples; i++) {
    const counts = plan.count + (<usize>(load<u32>(plan.batch + (<usize>i << 2)) * bands) << 3);
    for (let b = 0; b < bands; b++) n += load<f64>(counts + (<usize>b << 3));
  }
  n = max<f64>(1, n);

  const tableRow = <usize>load<u32>(plan.batch + (<usize>sample << 2)) * <usize>bands + <usize>band;
  const diagonal = plan.diagonal + tableRow * size;
  const offDiagonal = plan.offDiagonal + tableRow * size;
  const linear = plan.linear + tableRow * size;
  const identity = plan.identity + <usize>band * size;
  const sums = plan.sums + <usize>unit * 24;
  const weighed = plan.weighed != 0;
  if (weighed) penalise(knots, lut, smooth, falls, sums);
  const weightOfSmooth = <f32>load<f64>(plan.factors, 8), weightOfFalls = <f32>load<f64>(plan.factors, 16);

  let error = load<f64>(plan.constant + (tableRow << 3));
  let before: f64 = 0, couplingBefore: f64 = 0;
  let here = <f64>load<f32>(lut) - <f64>load<f32>(identity);
  for (let k: usize = 0, from = raw, to = rawGradient; k < size; k += 4, from += row, to += row) {
    const after = k + 4 < size ? <f64>load<f32>(lut + k, 4) - <f64>load<f32>(identity + k, 4) : 0;
    const coupling = <f64>load<f32>(offDiagonal + k);
    const pull = <f64>load<f32>(linear + k);
    const product = couplingBefore * before + <f64>load<f32>(diagonal + k) * here + coupling * after;
    error += here * (product - 2 * pull);
    let slope = <f32>((2 * (product - pull)) / n);
    if (weighed) slope += load<f32>(smooth + k) * weightOfSmooth + load<f32>(falls + k) * weightOfFalls;
    store<f32>(to, !base && load<f32>(from) <= 0 ? 0 : <f32>(<f64>slope * scale));
    before = here;
    here = after;
    couplingBefore = coupling;
  }
  store<f64>(sums, error);
}

/** Total variation and monotonicity of one LUT: gradients, and sums behind the error's (src/losses). */
function penalise(knots: i32, lut: usize, smooth: usize, falls: usize, sums: usize): void {
  const factor = <f64>knots / <f64>(knots - 1);
  memory.fill(smooth, 0, <usize>knots << 2);
  memory.fill(falls, 0, <usize>knots << 2);
  let variation: f64 = 0, fall: f64 = 0;
  for (let k = 0; k < knots - 1; k++) {
    const at = <usize>k << 2;
    const d = <f64>load<f32>(lut + at) - <f64>load<f32>(lut + at, 4);
    const weight: f64 = k == 0 || k == knots - 2 ? 2 : 1;
    variation += d * d * weight;
    const slope = 2 * d * weight * factor;
    store<f32>(smooth + at, <f32>(<f64>load<f32>(smooth + at) + slope));
    store<f32>(smooth + at, <f32>-slope, 4);
    if (d <= 0) continue;
    fall += d;
    store<f32>(falls + at, <f32>(<f64>load<f32>(falls + at) + factor));
    store<f32>(falls + at, <f32>-factor, 4);
  }
  store<f64>(sums, variation, 8);
  store<f64>(sums, fall, 16);
}

/** Adds up what the units found; whether the loss is finite. `losses`: mse, total variation, monotonicity, loss, float64. */
export function sumLosses(at: usize): bool {
  const plan = changetype<StatisticsPlan>(at);
  let error: f64 = 0, variation: f64 = 0, fall: f64 = 0, n: f64 = 0;
  for (let i = 0; i < plan.samples; i++) {
    const counts = plan.count + (<usize>(load<u32>(plan.batch + (<usize>i << 2)) * plan.bands) << 3);
    for (let band = 0; band < plan.bands; band++) {
      const sums = plan.sums + <usize>(i * plan.bands + band) * 24;
      error += load<f64>(sums);
      variation += load<f64>(sums, 8);
      fall += load<f64>(sums, 16);
      n += load<f64>(counts + (<usize>band << 3));
    }
  }
  const factor = <f64>plan.knots / <f64>(plan.knots - 1);
  const mse = <f32>(error / max<f64>(1, n));
  const tv = plan.weighed ? <f32>(variation * factor) : 0;
  const monotonicity = plan.weighed ? <f32>(fall * factor) : 0;
  const loss = mse + tv * <f32>load<f64>(plan.factors, 8) + monotonicity * <f32>load<f64>(plan.factors, 16);
  store<f64>(plan.losses, mse);
  store<f64>(plan.losses, tv, 8);
  store<f64>(plan.losses, monotonicity, 16);
  store<f64>(plan.losses, loss, 24);
  return isFinite(loss);
}

/** A stretch of the vectors; the first also takes the running statistics over. */
export function adamUnit(unit: i32, at: usize): void {
  const plan = changetype<AdamPlan>(at);
  const first = unit * plan.stretch;
  const offset = <usize>first << 2;
  const rates = plan.rates;
  adam(
    min(plan.stretch, plan.count - first), plan.theta + offset, plan.gradient + offset, plan.m + offset, plan.v + offset,
    plan.ema ? plan.ema + offset : 0, load<f32>(rates), load<f32>(rates, 4), load<f32>(rates, 8), load<f32>(rates, 12),
    load<f32>(rates, 16), load<f32>(rates, 20), load<f32>(rates, 24), load<f32>(rates, 28), load<f32>(rates, 32),
  );
  if (unit == 0) memory.copy(plan.running, plan.moved, <usize>plan.movedBytes);
}
