// A process to be killed: aligns a scene and tells each step on stdout.
import { applyScene } from '../../src/scenes/apply-scene.js';
import { handMadeAligner } from './hand-made-aligner.js';

const [scene, out] = process.argv.slice(2);
const context = {
  aligner: handMadeAligner({ withConv: true }),
  weights: 'w',
  step: 16,
  onProgress: ({ stage, done }: { stage: string; done: number }) =>
    process.stdout.write(`${stage} ${done}\n`),
};
void applyScene({ inputs: [scene], out, boaOffset: 0 }, context).then(() =>
  process.stdout.write('finished\n'),
);
