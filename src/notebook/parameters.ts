import type ts from 'typescript';
import { didYouMean } from '../config/spelling.js';
import { refuse } from '../fault.js';
import { type Cell, cellTags, type Notebook } from './document.js';
import { requireForNotebooks } from './notebook-packages.js';

/** One variable of a notebook's parameters cell. */
export interface Parameter {
  name: string;
  /** `let` is assigned to; `const` is declared again, which a notebook allows. */
  constant: boolean;
  /** As written or as its literal says; undefined where only the kernel can tell. */
  type?: string;
  /** Its value as TypeScript; undefined where it has none. */
  initial?: string;
  /** The comment that ends its line or stands above it. */
  help?: string;
}

type TypeScript = typeof ts;

const literalType = (typescript: TypeScript, value: ts.Expression): string | undefined => {
  const { SyntaxKind } = typescript;
  if (typescript.isParenthesizedExpression(value)) return literalType(typescript, value.expression);
  if (typescript.isPrefixUnaryExpression(value))
    return value.operator === SyntaxKind.ExclamationToken
      ? 'boolean'
      : literalType(typescript, value.operand);
  if (typescript.isNumericLiteral(value)) return 'number';
  if (typescript.isBigIntLiteral(value)) return 'bigint';
  if (typescript.isStringLiteralLike(value) || typescript.isTemplateExpression(value)) return 'string';
  if (value.kind === SyntaxKind.TrueKeyword || value.kind === SyntaxKind.FalseKeyword) return 'boolean';
  if (typescript.isArrayLiteralExpression(value)) {
    const types = new Set(value.elements.map((element) => literalType(typescript, element)));
    const [only] = types;
    return types.size === 1 && only !== undefined ? `${only}[]` : undefined;
  }
  return undefined;
};

/** The variables that a parameters cell declares, by a reading of its text alone. */
const readParameters = (source: string): Parameter[] => {
  const typescript = requireForNotebooks<TypeScript>('typescript');
  const file = typescript.createSourceFile('parameters.ts', source, typescript.ScriptTarget.Latest, true);
  return file.statements.filter(typescript.isVariableStatement).flatMap(({ declarationList }) =>
    declarationList.declarations
      .filter((declaration) => typescript.isIdentifier(declaration.name))
      .map(({ name, type, initializer }) => ({
        name: name.getText(file),
        constant: (declarationList.flags & typescript.NodeFlags.Const) !== 0,
        type: type?.getText(file) ?? (initializer && literalType(typescript, initializer)),
        initial: initializer?.getText(file),
        help: helpOf(typescript, source, declarationList),
      })),
  );
};

/** What the comment beside or above a declaration says. */
const helpOf = (typescript: TypeScript, source: string, node: ts.Node): string | undefined => {
  const ranges =
    typescript.getTrailingCommentRanges(source, node.parent.end) ??
    typescript.getLeadingCommentRanges(source, node.parent.getFullStart());
  const text = ranges?.at(-1) && source.slice(ranges.at(-1)?.pos, ranges.at(-1)?.end);
  return (
    text
      ?.replace(/^\/\/+|^\/\*+|\*+\/$/g, '')
      .replace(/\s*\n\s*\*?\s*/g, ' ')
      .trim() || undefined
  );
};

/** Where the cell tagged `parameters` stands among all cells: a code cell, as another has no variables; or -1. */
const parametersAt = (cells: readonly Cell[]): number =>
  cells.findIndex((cell) => cell.cell_type === 'code' && cellTags(cell).includes('parameters'));

/** The variables that `notebook` lets its caller set; none where no code cell is tagged `parameters`. */
export const listParameters = ({ cells }: Notebook): Parameter[] => {
  const at = parametersAt(cells);
  return at < 0 ? [] : readParameters(cells[at].source);
};

const parseJson = (text: string): { value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
};

/** A decimal number without its sign: digits, neither first nor last a zero, and the power of ten behind them. */
const exactForm = (text: string): { digits: string; power: number } => {
  const [, whole = '', fraction = '', exponent = '0'] =
    /^[+-]?(\d*)\.?(\d*)(?:e([+-]?\d+))?$/i.exec(text) ?? [];
  const written = `${whole}${fraction}`.replace(/^0+/, '');
  const digits = written.replace(/0+$/, '');
  return { digits, power: Number(exponent) - fraction.length + written.length - digits.length };
};

/** Most significant decimal digits that every double keeps. */
const keptDigits = 15;
/** Least double of full precision. */
const smallest = 2.2250738585072014e-308;

/**
 * Does a double hold the decimal number `text`, as far as it is written? A fraction is rounded in its last digits, as
 * everywhere; a whole number that would become another, or one too large or too small for a double, is not held.
 */
const isHeld = (text: string): boolean => {
  const value = Number(text);
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return Number.isFinite(value);
  if (!Number.isFinite(value)) return false;
  const { digits, power } = exactForm(text);
  if (value === 0) return digits === '';
  if (digits.length <= keptDigits) return Math.abs(value) >= smallest;
  return power < 0 || BigInt(digits) * 10n ** BigInt(power) === BigInt(Math.abs(value));
};

/** The first number of a JSON text that a double does not hold. */
const lostNumber = (json: string): string | undefined =>
  json
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .match(/-?\d[\d.]*(?:e[+-]?\d+)?/gi)
    ?.find((text) => !isHeld(text));

const fits = (value: unknown, type: string): boolean =>
  type.endsWith('[]')
    ? Array.isArray(value) && value.every((item) => fits(item, type.slice(0, -2)))
    : typeof value === type;

/** A type that is nothing but simple types and literals, as `'fast' | 'slow' | undefined`, part by part. */
const simpleParts = (type: string): string[] | undefined => {
  const parts = type.split('|').map((part) => part.trim());
  const simple = /^(?:string|number|boolean|null|undefined|true|false|[+-]?\d[\w.]*|'[^'\\]*'|"[^"\\]*")$/;
  return parts.every((part) => simple.test(part)) ? parts : undefined;
};

const takes = (part: string, value: unknown): boolean => {
  if (typeof value === 'number') return part === 'number' || Number(part) === value;
  return typeof value === 'boolean' ? part === 'boolean' || part === String(value) : part === String(value);
};

/** `text` as one of `parts`: a text wherever no part takes what it reads as (`2024` of `'2023' | '2024'`). */
const literalOf = (parts: readonly string[], text: string, json: { value: unknown } | undefined): string => {
  if (text === 'undefined' && parts.includes(text)) return text;
  return json && parts.some((part) => takes(part, json.value))
    ? JSON.stringify(json.value)
    : JSON.stringify(text);
};

/** `text` as a TypeScript literal of `type`, or what is wrong with it. */
const literalFor = ({ type, name }: Parameter, text: string): { literal: string } | { fault: string } => {
  const json = parseJson(text);
  if (type === 'string') return { literal: JSON.stringify(text) };
  if (type === 'number' && /^[+-]?(NaN|Infinity)$/.test(text)) return { literal: text };
  const lost = type === 'number' ? (isHeld(text.trim()) ? undefined : text) : json && lostNumber(text);
  if (lost !== undefined && type !== 'bigint' && text.trim() !== '' && !Number.isNaN(Number(lost)))
    return {
      fault: `parameter ${name}: ${lost}; a number cannot hold it exactly; give fewer digits, or declare a bigint or a string`,
    };
  if (type === 'number' && text.trim() !== '' && Number.isFinite(Number(text)))
    return { literal: String(Number(text)) };
  if (type === 'boolean' && /^(true|false)$/i.test(text)) return { literal: text.toLowerCase() };
  if (type !== undefined && /^(number|string|boolean)(\[\])*$/.test(type))
    return json && fits(json.value, type)
      ? { literal: JSON.stringify(json.value) }
      : { fault: `parameter ${name}: ${text}; give a ${type}${type.endsWith(']') ? ' as JSON' : ''}` };
  if (type === 'bigint')
    return /^-?\d+n?$/.test(text)
      ? { literal: `${text.replace('n', '')}n` }
      : { fault: `parameter ${name}: ${text}; give a whole number` };
  // another type: the kernel checks the literal when it runs
  const parts = type === undefined ? undefined : simpleParts(type);
  if (parts) return { literal: literalOf(parts, text, json) };
  return { literal: json ? JSON.stringify(json.value) : JSON.stringify(text) };
};

/** `name=value` of a command line. */
export const parseAssignments = (words: readonly string[]): ReadonlyMap<string, string> => {
  refuse(
    words
      .filter((word) => !/^[\p{ID_Start}_$][\p{ID_Continue}$]*=/u.test(word))
      .map((word) => `parameter: ${word}; write name=value`),
  );
  return new Map(
    words.map((word) => {
      const at = word.indexOf('=');
      return [word.slice(0, at), word.slice(at + 1)];
    }),
  );
};

export const injectedTag = 'injected-parameters';

/**
 * Puts a cell that sets `values` after the cell tagged `parameters`, in place of one that an earlier run put there.
 * Each value is read as the type that the parameters cell gives its variable; what only the compiler can judge (a
 * union, an imported type) is checked when the cell runs. Throws a Fault that names every parameter that is unknown or of
 * the wrong type.
 */
export const injectParameters = (
  notebook: Notebook,
  values: ReadonlyMap<string, string>,
  name: string,
): Notebook => {
  if (values.size === 0) return notebook;
  const at = parametersAt(notebook.cells);
  if (at < 0) refuse([`parameters: ${name} has no cell tagged parameters; tag the one that declares them`]);
  const known = readParameters(notebook.cells[at].source);
  const faults: string[] = [];
  const assignments: string[] = [];
  for (const [variable, text] of values) {
    const parameter = known.find((candidate) => candidate.name === variable);
    if (!parameter) {
      const names = known.map((candidate) => candidate.name);
      const hint = didYouMean(variable, names).trim();
      faults.push(
        `parameter ${variable}: unknown to ${name}; it has ${names.join(', ') || 'none'}${hint && `; ${hint}`}`,
      );
      continue;
    }
    const read = literalFor(parameter, text);
    if ('fault' in read) faults.push(read.fault);
    else if (!parameter.constant) assignments.push(`${variable} = ${read.literal};`);
    else if (parameter.type !== undefined)
      assignments.push(`const ${variable}: ${parameter.type} = ${read.literal};`);
    else
      faults.push(
        `parameter ${variable}: its type is not to be seen; declare it with let, or write its type`,
      );
  }
  refuse(faults);
  const injected: Cell = {
    cell_type: 'code',
    id: injectedTag,
    metadata: { tags: [injectedTag] },
    source: ['// Parameters', ...assignments].join('\n'),
    outputs: [],
    execution_count: null,
  };
  const others = notebook.cells.filter((cell) => !cellTags(cell).includes(injectedTag));
  const place = parametersAt(others) + 1;
  return { ...notebook, cells: [...others.slice(0, place), injected, ...others.slice(place)] };
};
