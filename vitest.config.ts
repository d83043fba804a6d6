import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const report = process.env['BANDALIGN_TEST_REPORT'];

/** Files that take longest, longest first: begun last, one of them would go on alone while the other core idles. */
const longest = [
  'engine/device-training',
  'dataset/random-pairs',
  'training/tensorflow',
  'faults/hostile',
  'engine/webgpu',
  'guide/documents',
  'sweeps/tracked-sweep',
  'notebook/jupyterlab',
  'sweeps/slurm',
  'notebook/jupyter',
  'faults/outputs',
  'sweeps/sweep',
  'tracking/mlflow-server',
  'training/backends',
  'training/parity',
  'cli/interruption',
  'notebook/run-notebook',
  'sweeps/scenes',
  'faults/faults',
  'cli/reproduce',
  'guide/extending',
  'notebook/kernel',
  'notebook/kernel-soak',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = longest.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return at < 0 ? longest.length : at;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    env: { TZ: 'UTC' },
    setupFiles: ['test/seed.ts'],
    pool: 'forks',
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    reporters: report ? ['default', 'json'] : ['default'],
    ...(report ? { outputFile: { json: report } } : {}),
  },
  resolve: { alias: { bandalign: new URL('./src/index.ts', import.meta.url).pathname } },
});
