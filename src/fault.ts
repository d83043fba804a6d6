/** Characters that a terminal obeys, or that reorder or break a line: C0 and C1, DEL, separators, bidirectional marks. */
const control = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/**
 * A text from anywhere as one line that is safe on a terminal and in a log: what a terminal would obey is written as
 * `\x1b` or `\u202e`.
 */
export const printable = (text: string): string =>
  text.replace(control, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });

/** {@link printable} for a text of several lines, with tabs. */
export const printableLines = (text: string): string => text.replace(/[^\n\t]+/g, printable);

/** JSON in which every character that a terminal would obey is escaped. */
export const printableJson = (value: unknown): string =>
  JSON.stringify(value).replace(
    control,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/**
 * A failure that the person at the keyboard can mend: a bad value, a bad file, a full disk.
 * Its message is one or more lines of the form `what: value; what to do`, lower case, each made {@link printable}.
 * The command line prints each line after `bandalign: ` and exits with `exitCode`.
 */
export class Fault extends Error {
  override readonly name = 'Fault';
  /** 2: the call or its input is wrong; 1: the work failed. */
  readonly exitCode: 1 | 2;
  /** Every fault found, a line each, so that an input is mended in one go. */
  readonly faults: readonly string[];

  constructor(faults: string | readonly string[], exitCode: 1 | 2 = 2, options?: ErrorOptions) {
    // they quote files and names, which must not forge a line or speak to the terminal
    const lines = (typeof faults === 'string' ? [faults] : faults).map(printable);
    super(lines.join('\n'), options);
    this.faults = lines;
    this.exitCode = exitCode;
  }
}

/** Throws one {@link Fault} that names all of `faults`; does nothing when there are none. */
export const refuse = (faults: readonly string[], exitCode: 1 | 2 = 2): void => {
  if (faults.length > 0) throw new Fault(faults, exitCode);
};

/** The message of anything thrown, on one line. */
export const reason = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0];

/**
 * What a failure says, a line each. The system's own words (a full disk, no permission) stand for themselves; what is
 * left is a fault of this program.
 */
export const linesOf = (error: unknown): readonly string[] => {
  if (error instanceof Fault) return error.faults;
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException;
  const line =
    code === undefined || syscall === undefined
      ? `unexpected: ${reason(error)}; run again with --debug and report it`
      : `system: ${reason(error)}; mend that and run again`;
  return [printable(line)];
};
