/**
 * A failure that the person at the keyboard can mend: a bad value, a bad file, a full disk.
 * Its message is one or more lines of the form `what: value; what to do`, lower case.
 * The command line prints each line after `bandalign: ` and exits with `exitCode`.
 */
export class Fault extends Error {
  override readonly name = 'Fault';
  /** 2: the call or its input is wrong; 1: the work failed. */
  readonly exitCode: 1 | 2;
  /** Every fault found, a line each, so that an input is mended in one go. */
  readonly faults: readonly string[];

  constructor(faults: string | readonly string[], exitCode: 1 | 2 = 2, options?: ErrorOptions) {
    const lines = typeof faults === 'string' ? [faults] : faults;
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
