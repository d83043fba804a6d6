import { expect, test } from 'vitest';
import { didYouMean, editDistance } from '../../src/config/spelling.js';

test.each([
  ['', 'abc', 3],
  ['train', 'train', 0],
  ['trian', 'train', 1],
  ['kitten', 'sitting', 3],
  ['epochs', 'epoch', 1],
  ['ab', 'ba', 1],
])('from %j to %j it takes %i edits', (a, b, edits) => {
  expect(editDistance(a, b)).toBe(edits);
  expect(editDistance(b, a)).toBe(edits);
});

test('only a word that is near is proposed', () => {
  expect(didYouMean('Epoch', ['batchSize', 'epochs'])).toBe('did you mean epochs? ');
  expect(didYouMean('forest', ['linear', 'identity'])).toBe('');
  expect(didYouMean('x', [])).toBe('');
});
