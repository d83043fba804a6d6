import { expect, test } from 'vitest';
import { Fault, printable, printableJson, printableLines } from '../src/fault.js';

// ESC, BEL, CSI of C1, a bidirectional override and a lone surrogate
const evil = 'a\x1b[2Jb\x07\x9bc\u202ed\ud800';

test('a text that quotes a file neither speaks to a terminal nor forges a line', () => {
  expect(printable(`${evil}\nbandalign: done\r`)).toBe(
    'a\\x1b[2Jb\\x07\\x9bc\\u202ed\\ud800\\x0abandalign: done\\x0d',
  );
  expect(printable('blå 16 m × 4 · 植被 🛰')).toBe('blå 16 m × 4 · 植被 🛰');
  expect(printableLines(`one\ttwo\n${evil}\r\n`)).toBe(
    'one\ttwo\na\\x1b[2Jb\\x07\\x9bc\\u202ed\\ud800\\x0d\n',
  );
});

test('a fault has one line for each thing that is wrong, whatever it quotes', () => {
  const fault = new Fault([`file: x${evil}`, 'tag: a\nbandalign: all is well']);
  expect(fault.message.split('\n')).toHaveLength(2);
  expect(fault.faults.join('')).not.toMatch(/\p{Cc}/u);
});

test('JSON stays the same value', () => {
  const value = { [evil]: `${evil}\\x41\n`, n: [1, null] };
  const text = printableJson(value);
  expect(JSON.parse(text)).toEqual(value);
  expect(text).toMatch(/^[\x20-\x7e]+$/);
});
