import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const report = process.env['BANDALIGN_TEST_REPORT'];

/** Files that take longest, longest first: begun last, one of them would go on alone while the other core idles. */
const longest = [
  'training/tensorflow',
  'dataset/random-pairs',
  'engine/webgpu',
  'training/parity',
  'tracking/mlflow-server',
  'training/backends',
  'figures/layout',
  'guide/extending',
  'cli/reproduce',
  'cli/main',
  'dataset/cache',
  'tracking/sync',
  'scenes/faults',
  'cli/backends',
  'figures/pages',
  'notebook/committed-notebooks',
  'temporal/command',
  'scenes/real-scenes',
  'scenes/apply-scene',
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
