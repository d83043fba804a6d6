import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isNumpyArray, numpyConstructors, numpyValues } from '../../src/dataset/numpy-pickle.js';
import { unpickle } from '../../src/dataset/pickle.js';
import { Fault } from '../../src/fault.js';

const fixture = (name: string): Buffer =>
  readFileSync(fileURLToPath(new URL(`../fixtures/pickles/${name}`, import.meta.url)));

const load = (bytes: Uint8Array, limit?: number): unknown =>
  unpickle(bytes, { path: 'h.pickle', holds: 'numpy arrays', allow: numpyConstructors, limit });

const text = (...parts: (string | number[])[]): Buffer =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  );

const faultOf = (bytes: Uint8Array, limit?: number): string => {
  try {
    load(bytes, limit);
  } catch (error) {
    expect(error).toBeInstanceOf(Fault);
    expect((error as Fault).exitCode).toBe(2);
    return (error as Fault).message;
  }
  throw new Error('no fault');
};

const expected = Array.from({ length: 10 }, (_, k) => (k * 37) % 251);

describe('numpy arrays', () => {
  for (const numpy of ['numpy1', 'numpy2'])
    test.each([0, 1, 2, 3, 4, 5])(
      `${numpy}, protocol %i: every type, byte order and memory order`,
      (protocol) => {
        const root = load(fixture(`${numpy}-protocol${protocol}.pickle`)) as Map<string, unknown>;
        expect(root.size).toBe(26);
        for (const [name, value] of root) {
          if (!isNumpyArray(value)) throw new Error(`${name} is no array`);
          expect(value.shape, name).toEqual([2, 5]);
          const wraps = name.endsWith('i1');
          expect([...numpyValues(value)], name).toEqual(
            wraps ? expected.map((v) => (v > 127 ? v - 256 : v)) : expected,
          );
        }
      },
    );

  test('of Python 2: data as a byte string', () => {
    const bytes = text(
      [0x80, 2],
      'cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R',
      '(K\x01K\x02\x85cnumpy\ndtype\nU\x02i2K\x00K\x01\x87R(K\x03U\x01<NNNJ',
      [255, 255, 255, 255],
      'J',
      [255, 255, 255, 255],
      'K\x00tb\x89U\x04\x01\x02\xff\xfftb.',
    );
    const value = load(bytes);
    if (!isNumpyArray(value)) throw new Error('no array');
    expect([...numpyValues(value)]).toEqual([0x0201, -1]);
  });
});

describe('plain values', () => {
  test.each([
    ['I42\n.', 42],
    ['I01\n.', true],
    ['L-12345678901234567890L\n.', -12345678901234567890n],
    ['\x8a\x02\x00\xff.', -256],
    ['\x8a\x00.', 0],
    ['F-1.5e3\n.', -1500],
    ['Finf\n.', Infinity],
    ['G\x3f\xf8\x00\x00\x00\x00\x00\x00.', 1.5],
    ['Va\\u00e9\\U0001f600\n.', 'aé😀'],
    ["S'a\\n\\x00\\'b'\n.", "a\n\0'b"],
    ['(lp0\nI1\naI2\na.', [1, 2]],
    ['(I1\nI2\nt.', [1, 2]],
    ['N\x85\x86.', null],
  ])('%j', (pickle, value) => {
    if (value === null) expect(faultOf(text(pickle))).toMatch(/takes a value where there is none/);
    else expect(load(text(pickle))).toEqual(value);
  });

  test('dictionaries do not touch prototypes', () => {
    const value = load(text('}(U\x09__proto__}U\x01aK\x01su.'));
    expect(value).toBeInstanceOf(Map);
    expect((value as Map<string, unknown>).get('__proto__')).toEqual(new Map([['a', 1]]));
    expect(({} as Record<string, unknown>)['a']).toBeUndefined();
  });
});

describe('what is not allowed', () => {
  test.each([
    ["cos\nsystem\n(S'touch /tmp/x'\ntR.", 'os.system'],
    ["cposix\nsystem\n(S'x'\ntR.", 'posix.system'],
    ['\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.', 'builtins.eval'],
    ["(S'x'\nios\nsystem\n.", 'os.system'],
    ["(cos\nsystem\nS'x'\no.", 'os.system'],
    ['csubprocess\nPopen\n)\x81.', 'subprocess.Popen'],
    ['cnumpy\nload\n.', 'numpy.load'],
    ['c__builtin__\ngetattr\n.', '__builtin__.getattr'],
    ['cconstructor\nprototype\n.', 'constructor.prototype'],
    ['cnumpy.core.multiarray\n__proto__\n.', 'numpy.core.multiarray.__proto__'],
  ])('%j', (pickle, name) => {
    expect(faultOf(text(pickle))).toBe(
      `pickle: h.pickle asks for ${name}; nothing of it was run, a pickle may hold numpy arrays only`,
    );
  });

  test.each([
    ['\x82\x01.', /extension registry/],
    ['\x83\x01\x00.', /extension registry/],
    ['\x84\x01\x00\x00\x00.', /extension registry/],
    ['Pabc\n.', /outside the file/],
    ['NQ.', /outside the file/],
    ['\x97.', /buffers outside/],
    ['K\x01)R.', /calls what is no constructor/],
    ['K\x01}b.', /sets the state of what has none/],
    ['cnumpy\nndarray\n)R.', /without its constructor/],
    ['cnumpy\ndtype\nU\x01O\x85R.', /of type O/],
    ['c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00utf16\x86R.', /otherwise than as latin1/],
    ['\x80\x09.', /protocol 9/],
    ['\xff.', /no such operation as 0xff/],
    ['', /ends at byte 0/],
    ['K\x01', /ends at byte 2/],
    ['(K\x01.', /stops within a container/],
    ['h\x05.', /recalls value 5/],
    ['I1\nK\x01a.', /appends to what is no list/],
    [')K\x01a.', /appends to what is no list/],
    ['Iabc\n.', /for an integer/],
    ['Fabc\n.', /for a number/],
    [`L${'9'.repeat(5000)}\n.`, /for an integer/],
    ['\x8b\xff\xff\xff\x7f.', /ends at byte/],
    ['\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.', /announces/],
    ['X\xff\xff\xff\xff.', /ends at byte/],
    ['\x95\xff\x00\x00\x00\x00\x00\x00\x00.', /announces 255 bytes|ends within a frame/],
  ])('%j', (pickle, message) => {
    expect(faultOf(text(pickle))).toMatch(message);
  });
});

describe('hostile sizes', () => {
  test('a container many levels deep is only data', () => {
    const deep = Buffer.concat([Buffer.alloc(200_000, ']'), Buffer.alloc(199_999, 'a'), Buffer.from('.')]);
    expect(Array.isArray(load(deep))).toBe(true);
  });

  test('a list that holds itself is only data', () => {
    const cyclic = load(text(']q\x00h\x00a.')) as unknown[];
    expect(cyclic[0]).toBe(cyclic);
  });

  test('open marks are a fault', () => {
    expect(faultOf(Buffer.alloc(100_000, '('))).toMatch(/ends at byte/);
  });

  test('more values than any dataset has are a fault', () => {
    expect(faultOf(Buffer.alloc(1001, 'N'), 1000)).toMatch(/holds more than 1000 values/);
    expect(faultOf(Buffer.alloc(1001, '('), 1000)).toMatch(/holds more than 1000 values/);
    const kept = Buffer.concat([Buffer.from('N'), Buffer.alloc(1001, 0x94)]);
    expect(faultOf(kept, 1000)).toMatch(/keeps more than 1000 values/);
  });

  test('a long list does not overflow the stack', () => {
    const long = Buffer.concat([Buffer.from(']('), Buffer.alloc(500_000, 'N'), Buffer.from('e.')]);
    expect((load(long) as unknown[]).length).toBe(500_000);
  });
});

test('any cut or changed byte gives a value or a Fault, never another error', () => {
  const names = ['numpy1-protocol0', 'numpy1-protocol2', 'numpy2-protocol4', 'numpy2-protocol5'];
  const files = names.map((name) => fixture(`${name}.pickle`));
  fc.assert(
    fc.property(
      fc.constantFrom(...files),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.integer({ min: 0, max: 255 }),
      fc.boolean(),
      (file, place, byte, cut) => {
        const at = Math.floor(place * file.length);
        const bytes = Buffer.from(cut ? file.subarray(0, at) : file);
        if (!cut) bytes[at] = byte;
        try {
          const value = load(bytes);
          expect(cut).toBe(false);
          if (value instanceof Map)
            for (const array of value.values()) if (isNumpyArray(array)) numpyValues(array);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
          if (!(error instanceof Fault)) expect((error as Error).name).toBe('PickleError');
        }
      },
    ),
    { numRuns: 1000 },
  );
});
