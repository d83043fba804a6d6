// One scene through the library with LUTs of a simple form and, for `conv`, a conv module of given weights.
//   node bench/apply-hand-made.mjs IN.tif OUT.tif lut|conv [LEVEL|-] [none]      none: without overviews
import { resolveExperiment } from '../dist/experiments/experiment.js';
import { applyScene } from '../dist/scenes/apply-scene.js';

const [scene, out, kind, level = '-', overviews] = process.argv.slice(2);
const bandMax = [3000, 3000, 4000, 6500];
const knots = 256;
const values = new Float32Array(4 * knots);
bandMax.forEach((max, band) => {
  for (let k = 0; k < knots; k++) values[band * knots + k] = 1 + (max * 0.9 * k) / (knots - 1);
});
const conv = {
  bands: 4,
  weight: Float32Array.from({ length: 144 }, (_, i) => Math.sin(i * 1.7) * 0.2),
  scale: Float32Array.of(0.9, 1.1, 0.5, 0.7),
  shift: Float32Array.of(3.5, -20, 11.25, 0),
};
const aligner = {
  experiment: resolveExperiment({ model: { conv: kind === 'conv' } }),
  weightsDigest: '0'.repeat(64),
  mapping: async () => ({ form: 'lut', knots, bandMax, values }),
  conv: kind === 'conv' ? conv : null,
  domain: null,
  residuals: null,
};
const request = {
  inputs: [scene],
  out,
  boaOffset: 0,
  ...(level !== '-' && { level: Number(level) }),
  ...(overviews === 'none' && { overviews: false }),
};
const done = await applyScene(request, { aligner, weights: 'hand-made' });
process.stderr.write(`${done.seconds.toFixed(1)} s\n`);
