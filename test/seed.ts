import fc from 'fast-check';

// The same cases at every run, so that a failure is the change's: BANDALIGN_TEST_SEED=N draws others, and `any` new ones.
const wish = process.env['BANDALIGN_TEST_SEED'] ?? '2022';
if (wish !== 'any') fc.configureGlobal({ seed: Number(wish) });
