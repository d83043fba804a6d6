/** Where text goes, and whether it is a terminal. */
export type Output = Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>;

const isSet = (value: string | undefined): value is string => value !== undefined && value !== '';

/**
 * Whether text on `stream` may have colours: `FORCE_COLOR` says so anywhere (0 or false: nowhere), `NO_COLOR` forbids them,
 * else a terminal has them, unless TERM=dumb.
 */
export const hasColours = ({ isTTY }: Output, env: NodeJS.ProcessEnv = process.env): boolean => {
  const forced = env['FORCE_COLOR'];
  if (isSet(forced)) return forced !== '0' && forced !== 'false';
  return isTTY === true && !isSet(env['NO_COLOR']) && env['TERM'] !== 'dumb';
};

/** Whether lines on `stream` can be drawn anew in place. */
export const canRedraw = ({ isTTY }: Output, env: NodeJS.ProcessEnv = process.env): boolean =>
  isTTY === true && env['TERM'] !== 'dumb';

const codes = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39] } as const;

export type Style = keyof typeof codes;

/** Sets text in a style. It must be printable: a terminal obeys what is in it. */
export type Paint = (style: Style, text: string) => string;

/** Paints for `stream`, or leaves text as it is where it takes no colours. */
export const painter = (stream: Output): Paint =>
  hasColours(stream)
    ? (style, text) => `\x1b[${codes[style][0]}m${text}\x1b[${codes[style][1]}m`
    : (_, text) => text;

/** Paints nothing. */
export const plain: Paint = (_, text) => text;

/** Breaks text between words into lines of at most `width` characters; a longer word stands alone. */
export const wrapped = (text: string, width: number): string[] => {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] += ` ${word}`;
    else lines.push(word);
  }
  return lines;
};

/** Columns of a terminal, or those of a page of print where there is none. */
export const widthOf = (stream: Output): number => Math.max(40, stream.columns ?? 100);
