import { z } from 'zod';
import { models } from '../models/index.js';
import { schemaFor } from './experiment.js';

/** One setting that `--set` takes. */
export interface Setting {
  /** With dots: `train.epochs`. */
  key: string;
  /** The model kinds that have it; null for a setting of every experiment. */
  models: string[] | null;
  /** `integer`, `number`, `text`, `true or false`, `list of 2 integers`; `settings` for a part that is null as a whole or has settings; `or null`. */
  type: string;
  /** What is allowed beside the type: `1 to 256`, `above 0`, `ols, rma`; empty for anything. */
  range: string;
  /** Undefined where one must be given, within a part that has one. */
  default: unknown;
  meaning: string;
}

/** A node of a JSON schema, as far as settings use it. */
interface Node {
  type?: string | string[];
  properties?: Record<string, Node>;
  anyOf?: Node[];
  enum?: (string | number)[];
  const?: string | number;
  items?: Node;
  prefixItems?: Node[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  pattern?: string;
  default?: unknown;
  description?: string;
}

const names: Record<string, string> = { string: 'text', boolean: 'true or false' };

/** The form of a part that may be null. */
const bare = (node: Node): Node => {
  if (Array.isArray(node.type)) return { ...node, type: node.type.find((type) => type !== 'null') };
  const [only, ...more] = (node.anyOf ?? []).filter(({ type }) => type !== 'null');
  return only && more.length === 0 ? only : node;
};

const isNullable = ({ type, anyOf = [] }: Node): boolean =>
  (Array.isArray(type) && type.includes('null')) || anyOf.some((form) => form.type === 'null');

const choicesOf = (node: Node): (string | number)[] =>
  node.enum ?? (node.const === undefined ? (node.anyOf ?? []).flatMap(choicesOf) : [node.const]);

const typeOf = (node: Node): string => {
  const form = bare(node);
  const one =
    form.type === 'array'
      ? `list of ${form.prefixItems ? `${form.prefixItems.length} ` : ''}${plural(typeOf(form.prefixItems?.[0] ?? form.items ?? {}))}`
      : (names[String(form.type)] ??
        form.type?.toString() ??
        [...new Set((form.anyOf ?? []).map(typeOf))].join(' or '));
  return isNullable(node) ? `${one} or null` : one;
};

const plural = (type: string): string => `${type}s`;

/** zod writes the ends of safe integers for a number without an end. */
const end = (value: number | undefined): number | undefined =>
  value === undefined || Math.abs(value) >= Number.MAX_SAFE_INTEGER ? undefined : value;

const rangeOf = (node: Node): string => {
  const form = bare(node);
  const choices = choicesOf(form);
  if (choices.length > 0) return choices.join(', ');
  if (form.type === 'array') return rangeOf(form.prefixItems?.[0] ?? form.items ?? {});
  const [low, high] = [end(form.minimum), end(form.maximum)];
  const [above, below] = [end(form.exclusiveMinimum), end(form.exclusiveMaximum)];
  if (low !== undefined && high !== undefined) return `${low} to ${high}`;
  return [
    low === undefined ? '' : `at least ${low}`,
    above === undefined ? '' : `above ${above}`,
    high === undefined ? '' : `at most ${high}`,
    below === undefined ? '' : `below ${below}`,
  ]
    .filter(Boolean)
    .join(', ');
};

const settingsIn = (node: Node, key: string): Omit<Setting, 'models'>[] => {
  const { properties } = bare(node);
  const own =
    properties && !isNullable(node)
      ? []
      : [
          {
            key,
            type: properties ? 'settings or null' : typeOf(node),
            range: properties ? '' : rangeOf(node),
            default: node.default,
            meaning: node.description ?? bare(node).description ?? '',
          },
        ];
  const parts = Object.entries(properties ?? {});
  return [...own, ...parts.flatMap(([name, part]) => settingsIn(part, key === '' ? name : `${key}.${name}`))];
};

const settingsOf = (kind: string): Omit<Setting, 'models'>[] => {
  const schema = z.toJSONSchema(schemaFor(models.get(kind)), { io: 'input', unrepresentable: 'any' }) as Node;
  const { definitions: _, ...properties } = schema.properties ?? {};
  return settingsIn({ properties }, '');
};

/**
 * Every setting of an experiment, from the schema that checks them, in its order. A setting of several models whose default
 * or range is not the same in all of them stands once for each.
 */
export const listSettings = (): Setting[] => {
  const listed = new Map<string, Setting>();
  const kinds = models.list().map(({ kind }) => kind);
  for (const kind of kinds) {
    for (const setting of settingsOf(kind)) {
      const isOfModel = setting.key.startsWith('model.');
      if (setting.key === 'model.kind') {
        Object.assign(setting, {
          range: kinds.join(', '),
          default: 'unet-lut',
          meaning: 'Which model; it decides which other settings of model there are.',
        });
      }
      const key = JSON.stringify(setting);
      const known = listed.get(key);
      if (known?.models) known.models.push(kind);
      else if (!known) listed.set(key, { ...setting, models: isOfModel ? [kind] : null });
    }
  }
  return [...listed.values()]
    .map((setting) => (setting.models?.length === kinds.length ? { ...setting, models: null } : setting))
    .sort((a, b) => order(a.key) - order(b.key));
};

/** Parts in the order of the schema; within one, settings stay as they are. */
const parts = ['name', 'description', 'seed', 'backend', 'data', 'split', 'model', 'loss', 'train'];
const order = (key: string): number => parts.indexOf(key.split('.')[0]);
