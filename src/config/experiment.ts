import type { z } from 'zod';
import { refuse } from '../fault.js';
import { type Experiment, type ExperimentInput, experimentSchema } from './schema.js';
import { didYouMean } from './spelling.js';

/** A typed experiment file's default export; checked when it is resolved, so that overrides come first. */
export const defineExperiment = (experiment: ExperimentInput): ExperimentInput => experiment;

const show = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
};

const at = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((node, key) => (node as Record<PropertyKey, unknown> | undefined)?.[key], value);

/** The keys that stand at `path`, read from the resolved defaults. */
const keysAt = (path: readonly PropertyKey[]): string[] => {
  const node = at(experimentSchema.parse({}), path);
  return node !== null && typeof node === 'object' && !Array.isArray(node) ? Object.keys(node) : [];
};

const allowed = (issue: z.core.$ZodIssue): string => {
  if (issue.code === 'invalid_value') return `one of ${issue.values.map(String).join(', ')}`;
  if (issue.code === 'too_small')
    return issue.origin === 'array'
      ? `at least ${issue.minimum} values`
      : `${issue.inclusive ? 'at least' : 'above'} ${issue.minimum}`;
  if (issue.code === 'too_big')
    return issue.origin === 'array'
      ? `at most ${issue.maximum} values`
      : `${issue.inclusive ? 'at most' : 'below'} ${issue.maximum}`;
  if (issue.code === 'invalid_type')
    return issue.expected === 'int'
      ? 'a whole number'
      : `${/^[aeiou]/.test(issue.expected) ? 'an' : 'a'} ${issue.expected}`;
  return issue.message;
};

const faultsOf = (error: z.ZodError, input: unknown): string[] =>
  error.issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => {
        const keys = keysAt(issue.path);
        const setting = `${[...path, key].join('.')}=${show(at(input, [...issue.path, key]))}`;
        return `unknown setting: ${setting}; ${didYouMean(key, keys)}allowed here: ${keys.join(', ')}`;
      });
    return `setting ${path.join('.')}: ${show(at(input, issue.path))}; allowed: ${allowed(issue)}`;
  });

/**
 * Checks an experiment and spells out every default.
 * @throws Fault with a line for each unknown key and each value of the wrong type or range.
 */
export const resolveExperiment = (input: unknown): Experiment => {
  const result = experimentSchema.safeParse(input);
  if (!result.success) refuse(faultsOf(result.error, input));
  return result.data as Experiment;
};
