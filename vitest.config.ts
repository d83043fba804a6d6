import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    env: { TZ: 'UTC' },
    pool: 'forks',
    maxWorkers: 2,
  },
  resolve: { alias: { bandalign: new URL('./src/index.ts', import.meta.url).pathname } },
});
