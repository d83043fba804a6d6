/** Characters that are kept together as bytes. */
const enough = 65_536;

/** Text that is printed bit by bit, kept as bytes: half a notebook's memory is what its cells print. */
export interface PrintedText {
  /** Text to follow; what stands behind the last line's end may still be changed by {@link replaceLine}. */
  append: (text: string) => void;
  /** The last line, as long as it has no end. */
  line: () => string;
  /** Other text in place of the last line. */
  replaceLine: (text: string) => void;
  /** All of it, in pieces of whole lines. */
  pieces: () => Generator<string>;
}

export const printedText = (): PrintedText => {
  const kept: (Buffer | string)[] = [];
  /** Whole lines, not yet enough of them. */
  let lines = '';
  let line = '';
  const keep = (): void => {
    // half of a surrogate pair has no bytes
    kept.push(/[\ud800-\udfff]/u.test(lines) ? lines : Buffer.from(lines));
    lines = '';
  };
  const append = (text: string): void => {
    const end = text.lastIndexOf('\n') + 1;
    if (end === 0) {
      line += text;
      return;
    }
    lines += line + text.slice(0, end);
    line = text.slice(end);
    if (lines.length >= enough) keep();
  };
  return {
    append,
    line: () => line,
    replaceLine: (text) => {
      line = '';
      append(text);
    },
    pieces: function* () {
      for (const piece of kept) yield typeof piece === 'string' ? piece : piece.toString();
      if (lines !== '') yield lines;
      if (line !== '') yield line;
    },
  };
};
