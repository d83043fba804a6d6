/**
 * One step of Adam with L2 decay added to the gradient (Kingma & Ba 2015; PyTorch's torch.optim.Adam) over `count`
 * floats, a multiple of 4, in place. `stepSize` = lr / (1 − β₁ᵗ), `correction` = 1 / √(1 − β₂ᵗ). The host computes
 * 1 − β in float64: 1 − f32(0.999) would be off by 5e-5. `ema` 0 keeps no moving average.
 */
export function adam(
  count: i32,
  theta: usize,
  gradient: usize,
  m: usize,
  v: usize,
  ema: usize,
  stepSize: f32,
  correction: f32,
  beta1: f32,
  rest1: f32,
  beta2: f32,
  rest2: f32,
  epsilon: f32,
  weightDecay: f32,
  emaRest: f32,
): void {
  const end = <usize>count << 2;
  const first = f32x4.splat(beta1), firstRest = f32x4.splat(rest1);
  const second = f32x4.splat(beta2), secondRest = f32x4.splat(rest2);
  const size = f32x4.splat(stepSize), root = f32x4.splat(correction), guard = f32x4.splat(epsilon);
  const decay = f32x4.splat(weightDecay);
  for (let i: usize = 0; i < end; i += 16) {
    const weight = v128.load(theta + i);
    const slope = f32x4.add(v128.load(gradient + i), f32x4.mul(decay, weight));
    const mean = f32x4.add(f32x4.mul(first, v128.load(m + i)), f32x4.mul(firstRest, slope));
    const square = f32x4.add(
      f32x4.mul(second, v128.load(v + i)),
      f32x4.mul(f32x4.mul(secondRest, slope), slope),
    );
    v128.store(m + i, mean);
    v128.store(v + i, square);
    const denominator = f32x4.add(f32x4.mul(f32x4.sqrt(square), root), guard);
    v128.store(theta + i, f32x4.sub(weight, f32x4.mul(size, f32x4.div(mean, denominator))));
  }
  if (!ema) return;
  // in a loop of its own: one for all has more constants than registers
  const towards = f32x4.splat(emaRest);
  for (let i: usize = 0; i < end; i += 16) {
    const average = v128.load(ema + i);
    v128.store(ema + i, f32x4.add(average, f32x4.mul(towards, f32x4.sub(v128.load(theta + i), average))));
  }
}
