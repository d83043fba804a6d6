import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allowedKey, uniqueKeys } from '../../src/tracking/keys.js';

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
    expect(allowedKey(key)).toBe(key);
});

test('no two keys get one name, and a key gets the same name again', () => {
  const key = fc.constantFrom('a', 'a(', 'a[', 'a_', 'a__', 'a//b', 'a/b', '..');
  fc.assert(
    fc.property(fc.array(key, { maxLength: 30 }), (keys) => {
      const nameOf = uniqueKeys();
      const names = new Map(keys.map((one) => [one, nameOf(one)]));
      expect(new Set(names.values()).size).toBe(names.size);
      for (const [one, name] of names) expect(nameOf(one)).toBe(name);
    }),
  );
});
