import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const report = process.env['BANDALIGN_TEST_REPORT'];

/** Files that take longest, longest first: begun last, one of them would go on alone while the other core idles. */
const longest = [
  'faults/hostile',
  'guide/documents',
  'engine/device-training',
  'sweeps/sweep',
  'sweeps/slurm',
  'training/tensorflow',
  'notebook/jupyterlab',
  'notebook/jupyter',
  'tracking/mlflow-server',
  'dataset/random-pairs',
  'notebook/run-notebook',
  'sweeps/scenes',
  'cli/interruption',
  'sweeps/tracked-sweep',
  'faults/outputs',
  'training/parity',
  'engine/webgpu',
  'cli/reproduce',
  'guide/extending',
  'notebook/kernel',
  'training/backends',
  'faults/faults',
  'scenes/siblings',
  'notebook/kernel-soak',
];

/** What takes longest without a service: kills, faults at many calls, every command of the documents, whole trainings. */
const long = [
  'guide/documents',
  'cli/interruption',
  'sweeps/sweep',
  'faults/hostile',
  'faults/outputs',
  'faults/faults',
  'sweeps/scenes',
  'cli/reproduce',
  'training/parity',
  'notebook/run-notebook',
  'notebook/kernel-soak',
  'guide/extending',
  'scenes/apply-scene',
  'scenes/faults',
  'dataset/cache',
  'tracking/sync',
  'cli/backends',
  'models/kernels',
  'notebook/kernel-project',
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

export default defineConfig(({ mode }) => {
  // `npm test` alone; files that are named are run
  const isQuick = mode === 'quick' && process.env['BANDALIGN_TEST_LONG'] !== '1';
  if (isQuick)
    process.stderr.write(
      `left out, as they take longest: ${long.join(', ')}; BANDALIGN_TEST_LONG=1 runs them\n`,
    );
  return {
    test: {
      include: ['test/**/*.test.ts'],
      exclude: isQuick ? long.map((name) => `test/${name}.test.ts`) : [],
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
  };
});
