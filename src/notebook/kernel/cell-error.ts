import { SourceMap } from 'node:module';
import { isAbsolute, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inspect, stripVTControlCharacters } from 'node:util';
import { packageRoot } from '../package-root.js';
import type { CellError } from './evaluator-messages.js';

/** A cell that has been compiled: its text, and the maps from what runs back to it. */
export interface CompiledCell {
  source: string;
  maps: string[];
}

/** One complaint of the compiler, as tslab's converter gives it; lines and characters count from zero. */
export interface Diagnostic {
  start: { line: number; character: number };
  end: { line: number; character: number };
  messageText: string;
  code: number;
  fileName?: string;
}

/** The name under which cell `count` runs, as it appears in raw stacks. */
export const cellFile = (count: number): string => `bandalign-cell-${count}`;

const label = (count: number): string => (count > 0 ? String(count) : '*');

/** Lines that tslab puts before a cell's own text. */
const prefixLines = 1;
const mostFrames = 12;

interface Position {
  count: number;
  line: number;
  column: number;
}

/** Follows a position of running code back through `maps` to the cell's text. */
const follow = (cell: CompiledCell, line: number, column: number): { line: number; column: number } => {
  let [at, char] = [line - 1, column - 1];
  for (const text of cell.maps) {
    const entry = new SourceMap(JSON.parse(text)).findEntry(at, char);
    if ('originalLine' in entry) [at, char] = [entry.originalLine, entry.originalColumn];
  }
  return { line: Math.max(1, at + 1 - prefixLines), column: char + 1 };
};

/** Source lines around `line`, with the line marked, and below it `length` characters from `column` on. */
const excerpt = (source: string, line: number, column?: number, length = 1): string[] => {
  const lines = source.split('\n');
  const from = Math.max(1, line - 2);
  const width = String(line).length;
  const shown = lines.slice(from - 1, line).map((text, index) => {
    const number = from + index;
    return `${number === line ? '>' : ' '} ${String(number).padStart(width)} | ${text}`;
  });
  return column === undefined || lines[line - 1] === undefined
    ? shown
    : [
        ...shown,
        `  ${' '.repeat(width)} | ${' '.repeat(Math.max(0, column - 1))}${'^'.repeat(Math.max(1, length))}`,
      ];
};

/** A path as another machine would print it: relative to the project or to this package. */
const portable = (path: string, root: string): string => {
  const plain = path.startsWith('file://') ? fileURLToPath(path) : path;
  if (!isAbsolute(plain)) return plain;
  const inside = plain.lastIndexOf(`${sep}node_modules${sep}`);
  if (inside >= 0) return plain.slice(inside + 1);
  for (const [base, name] of [
    [root, ''],
    [packageRoot, 'bandalign'],
  ]) {
    const path = relative(base, plain);
    if (!path.startsWith('..')) return name ? `${name}/${path}` : path;
  }
  return plain;
};

const hidden = /^node:|node:internal|[\\/]tslab[\\/]dist[\\/]|[\\/]notebook[\\/]kernel[\\/]/;

interface Frames {
  lines: string[];
  positions: Position[];
}

const readFrames = (stack: string[], cells: ReadonlyMap<number, CompiledCell>, root: string): Frames => {
  const lines: string[] = [];
  const positions: Position[] = [];
  for (const entry of stack) {
    const frame = /^\s+at (?:(.*?) \()?(.+?):(\d+):(\d+)\)?$/.exec(entry);
    if (!frame || hidden.test(frame[2])) continue;
    const [, name, file, line, column] = frame;
    const count = Number(/^bandalign-cell-(-?\d+)$/.exec(file)?.[1]);
    const cell = cells.get(count);
    if (cell) {
      const at = follow(cell, Number(line), Number(column));
      positions.push({ count, ...at });
      const own = name === undefined || /^(async )?(bandalign-cell|eval|Object\.<anonymous>)/.test(name);
      const text = `    at ${own ? '' : `${name.replace(/^Proxy\./, '')}, `}cell [${label(count)}], line ${at.line}`;
      if (lines.at(-1) !== text) lines.push(text);
    } else {
      const place = `${portable(file, root)}:${line}`;
      lines.push(`    at ${name === undefined ? place : `${name} (${place})`}`);
    }
  }
  return { lines: lines.slice(0, mostFrames), positions };
};

/** Own fields of an error that say more than its message: a code, a path. */
const details = (error: Error): string[] => {
  const known = new Set(['stack', 'message', 'name', 'cause', 'errors', 'faults', 'exitCode']);
  const entries = Object.entries(error).filter(
    ([name, value]) => !known.has(name) && typeof value !== 'function',
  );
  return entries
    .map(([name, value]) => `    ${name}: ${inspect(value, { depth: 1, breakLength: 100 })}`)
    .slice(0, 8);
};

const headline = (thrown: unknown): { ename: string; evalue: string } =>
  thrown instanceof Error
    ? { ename: String(thrown.name || thrown.constructor.name), evalue: String(thrown.message) }
    : { ename: 'Thrown', evalue: inspect(thrown, { depth: 2 }) };

/** An `Error` of any realm, or something that was thrown and is none. */
const stackLines = (thrown: unknown): string[] => {
  const stack = (thrown as { stack?: unknown } | null | undefined)?.stack;
  return typeof stack === 'string' ? stack.split('\n').filter((line) => /^\s+at /.test(line)) : [];
};

/** Anything can be thrown, also what throws when it is looked at. */
export const describeThrown = (...args: Parameters<typeof describe>): CellError => {
  try {
    return describe(...args);
  } catch {
    const evalue = 'the cell threw a value that cannot be shown';
    return { ename: 'Thrown', evalue, traceback: [`Thrown: ${evalue}`] };
  }
};

/**
 * What a cell's failure looks like: name and message, the lines of the cell around it, the calls that led there in
 * lines of cells, with paths relative to the project and without the kernel's own frames, so that executed notebooks
 * are the same on every machine.
 */
const describe = (
  thrown: unknown,
  cells: ReadonlyMap<number, CompiledCell>,
  root: string,
  running: number,
): CellError => {
  const { ename, evalue } = headline(thrown);
  const frames = readFrames(stackLines(thrown), cells, root);
  const [at] = frames.positions;
  const own = frames.positions.find(({ count }) => count === running);
  const cell = at && cells.get(at.count);
  const isFault = thrown instanceof Error && thrown.name === 'Fault';
  const traceback = [
    ...`${ename}: ${evalue}`.split('\n'),
    ...(thrown instanceof Error ? details(thrown) : []),
    ...(cell && at
      ? [`cell [${label(at.count)}], line ${at.line}:`, ...excerpt(cell.source, at.line, at.column)]
      : []),
    ...(isFault ? [] : frames.lines),
  ];
  const nested = thrown instanceof AggregateError ? thrown.errors : [];
  for (const inner of thrown instanceof Error && thrown.cause !== undefined
    ? [thrown.cause, ...nested]
    : nested) {
    const { traceback: below } = describeThrown(inner, cells, root, running);
    traceback.push(`caused by ${below[0]}`, ...below.slice(1).map((line) => `  ${line}`));
  }
  return {
    ename,
    evalue: stripVTControlCharacters(evalue),
    traceback: traceback.map(stripVTControlCharacters),
    ...(own ? { line: own.line } : {}),
  };
};

/** What to do about a package that is not there. */
const adviceFor = ({ code, messageText }: Diagnostic): string[] => {
  const name = code === 2307 ? /'((?:@[^/']+\/)?[^./'][^/']*)/.exec(messageText)?.[1] : undefined;
  return name === undefined || name.startsWith('node:')
    ? []
    : [`  run npm install ${name} in the project's folder; the next cell can import it`];
};

/** Complaints of the compiler as one error. */
export const describeDiagnostics = (found: readonly Diagnostic[], source: string): CellError => {
  const [first] = found;
  const same = (one: Diagnostic, other: Diagnostic): boolean =>
    one.fileName === other.fileName &&
    one.start.line === other.start.line &&
    one.start.character === other.start.character;
  /** Characters of the first line that a complaint is about. */
  const rangeOf = ({ start, end }: Diagnostic): number => {
    const written = source.split('\n')[start.line] ?? '';
    return (end.line === start.line ? end.character : written.length) - start.character;
  };
  const lines = found.flatMap((one, index) => {
    if (index > 0 && same(one, found[index - 1])) return [`    ${one.messageText}`];
    const line = one.start.line + 1;
    const where = one.fileName === undefined ? `line ${line}` : `${one.fileName}, line ${line}`;
    return [
      `${where}: ${one.messageText} (TS${one.code})`,
      ...(one.fileName === undefined ? excerpt(source, line, one.start.character + 1, rangeOf(one)) : []),
      ...adviceFor(one),
    ];
  });
  const evalue = `${first.fileName === undefined ? '' : `${first.fileName}: `}${first.messageText}`;
  return {
    ename: 'TypeScriptError',
    evalue,
    traceback: [`TypeScriptError: the cell was not run`, ...lines],
    ...(first.fileName === undefined ? { line: first.start.line + 1 } : {}),
  };
};

/** The error of a cell that was stopped by its user. */
export const interruption = (): CellError => ({
  ename: 'Interrupted',
  evalue: 'the cell was stopped',
  traceback: [
    'Interrupted: the cell was stopped',
    'work that it had started and not awaited, or that does not heed cellSignal(), may go on; restart the kernel to end it',
  ],
});
