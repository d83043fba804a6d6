import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allowedKey, flattenParams, keySpace } from '../../src/tracking/keys.js';

/** Any code point, lone surrogates too; fast-check's own takes seconds to set up. */
const codePoint = fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code));

/** MLflow's own rules: validation.py, path_not_unique and the character list. */
const takenByMlflow = (key: string): boolean =>
  /^[/\p{L}\p{N}_.\- :]*$/u.test(key) &&
  key.length > 0 &&
  key.length <= 250 &&
  !key.startsWith('/') &&
  !key.endsWith('/') &&
  !key.split('/').some((part) => part === '' || part === '.' || part === '..');

test('any key becomes one that MLflow takes, and a good one stays as it is', () => {
  fc.assert(
    fc.property(fc.string({ unit: codePoint, maxLength: 300 }), (key) => {
      const name = allowedKey(key);
      expect(takenByMlflow(name), name).toBe(true);
      expect(allowedKey(name)).toBe(name);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(250);
    }),
  );
  for (const key of ['rmse/red', 'loss', 'train.lr', 'a b:c', 'größe', '反射率'])
    expect(allowedKey(key, false)).toBe(key);
  expect(allowedKey('a:b', true)).toBe('a_b');
});

test('names of one run never clash: each is a file, and no file is another one’s folder', () => {
  const part = fc.constantFrom('a', 'b', 'c', 'a(', '', '..');
  const key = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  fc.assert(
    fc.property(fc.array(key, { maxLength: 30 }), (keys) => {
      const renamed: string[] = [];
      const space = keySpace([], (from) => renamed.push(from));
      const names = new Map(keys.map((one) => [one, space.claim(one)]));
      const all = [...names.values()];
      expect(new Set(all).size).toBe(all.length);
      for (const name of all) for (const other of all) expect(other.startsWith(`${name}/`)).toBe(false);
      for (const [from, name] of names) {
        expect(space.claim(from)).toBe(name);
        expect(renamed.includes(from)).toBe(from !== name);
      }
    }),
  );
});

test('names of an earlier process are kept', () => {
  const renamed: string[] = [];
  const space = keySpace(['loss', 'rmse/red'], (key, name) => renamed.push(`${key} → ${name}`));
  expect(space.claim('rmse/red')).toBe('rmse/red');
  expect(space.claim('rmse')).toBe('rmse_');
  expect(space.claim('loss/val')).toBe('loss_val');
  expect(renamed).toEqual(['rmse → rmse_', 'loss/val → loss_val']);
});

test('a configuration becomes dotted params', () => {
  const config = {
    model: { kind: 'unet-lut', conv: true, out: {} },
    bands: ['red', 'nir'],
    pair: null,
    lr: 1e-7,
    no: undefined,
  };
  expect(flattenParams(config)).toEqual([
    ['model.kind', 'unet-lut'],
    ['model.conv', 'true'],
    ['model.out', '{}'],
    ['bands', '["red","nir"]'],
    ['pair', 'null'],
    ['lr', '1e-7'],
  ]);
});
