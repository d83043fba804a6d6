import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { lineReader } from '../../src/notebook/kernel/evaluator-messages.js';
import { toPoints, toUnits } from '../../src/notebook/kernel/language-answers.js';
import { decode, encode, newHeader, type WireMessage } from '../../src/notebook/wire.js';

const message = (content: Record<string, unknown>): WireMessage => ({
  identities: [Buffer.from([0, 1, 255])],
  header: newHeader('execute_request', 'session'),
  parent: {},
  metadata: {},
  content,
});
const frames = (key: string, content: Record<string, unknown>): Buffer[] =>
  encode(key, message(content)).map((frame) => Buffer.from(frame));

describe('wire', () => {
  it('reads what it writes', () => {
    fc.assert(
      fc.property(fc.string(), fc.dictionary(fc.string(), fc.jsonValue()), (key, content) => {
        const read = decode(key, frames(key, content));
        expect(read.content).toEqual(JSON.parse(JSON.stringify(content)));
        expect(read.identities).toEqual([Buffer.from([0, 1, 255])]);
      }),
    );
  });

  it('refuses another key, a changed byte and frames that are no message', () => {
    const sent = frames('key', { code: '1' });
    expect(() => decode('other', sent)).toThrow(/signature/);
    const changed = [...sent];
    changed[changed.length - 1] = Buffer.from('{"code":"2"}');
    expect(() => decode('key', changed)).toThrow(/signature/);
    expect(() => decode('key', sent.slice(0, 3))).toThrow(/not a Jupyter message/);
  });
});

describe('messages between kernel and evaluator', () => {
  it('arrive whole however the pipe cuts them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.jsonValue(), { maxLength: 6 }),
        fc.array(fc.nat(40), { maxLength: 20 }),
        (values, cuts) => {
          const got: unknown[] = [];
          const read = lineReader<unknown>((value) => got.push(value));
          let rest = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
          for (const cut of cuts) {
            read(rest.subarray(0, cut));
            rest = rest.subarray(cut);
          }
          read(rest);
          expect(got).toEqual(values.map((value) => JSON.parse(JSON.stringify(value)) as unknown));
        },
      ),
    );
  });
});

describe('cursors', () => {
  it('are the same place in code points and in UTF-16 units', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(20), (code, points) => {
        const inside = Math.min(points, Array.from(code).length);
        expect(toPoints(code, toUnits(code, inside))).toBe(inside);
      }),
    );
    expect(toUnits('😀x', 1)).toBe(2);
  });
});
