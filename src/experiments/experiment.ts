import { z } from 'zod';
import type { DefinitionFile } from '../config/definitions.js';
import { override } from '../config/override.js';
import {
  commonSettings,
  type DataSettings,
  type SplitSettings,
  type TrainSettings,
} from '../config/schema.js';
import { didYouMean } from '../config/spelling.js';
import { refuse } from '../fault.js';
import { penalties } from '../losses/index.js';
import { metricOrigin, metrics } from '../metrics/index.js';
import { models, type WrittenModel } from '../models/index.js';
import type { Configured, Model, ModelSettings } from '../models/model.js';
import { paperSettings } from '../models/paper-settings.js';

/** What of an experiment a person's own file defines, and that file. */
export interface Definition extends DefinitionFile {
  what: 'model' | 'penalty' | 'metric';
  name: string;
}

/** A resolved experiment: every default spelled out, the published program's values unless a comment says other. */
export interface Experiment {
  name: string;
  description: string;
  seed: number;
  backend: z.output<typeof commonSettings.backend>;
  data: DataSettings;
  split: SplitSettings;
  model: ModelSettings;
  /** Weight of each penalty, 0.01 for `tv` and `monotonicity` in the published recipe. */
  loss: { tv: number; monotonicity: number } & Record<string, number>;
  train: TrainSettings;
  /** The files that define the model, penalties and metrics that are not the package's; absent without any. */
  definitions?: Definition[];
}

const paperKinds = ['identity', 'linear', 'histogram-matching', 'global-lut', 'unet-lut', 'oracle'] as const;

const paperModel = z.strictObject({
  kind: z.enum(paperKinds).default('unet-lut'),
  knots: z.int().min(2).max(4096).default(256),
  ...paperSettings,
});

type Part<S extends z.ZodType> = z.input<S>;

/** What a person writes: any part of an experiment. */
export interface ExperimentInput {
  name?: string;
  description?: string;
  seed?: number;
  backend?: Part<typeof commonSettings.backend>;
  data?: Part<typeof commonSettings.data>;
  split?: Part<typeof commonSettings.split>;
  // biome-ignore lint/suspicious/noExplicitAny: the settings of a model of one's own are typed where they are configured
  model?: Part<typeof paperModel> | WrittenModel | Configured<any> | ModelSettings;
  loss?: { tv?: number; monotonicity?: number } & Record<string, number>;
  train?: Part<typeof commonSettings.train>;
}

/** A typed experiment file's default export; checked when it is resolved, so that overrides come first. */
export const defineExperiment = (experiment: ExperimentInput): ExperimentInput => experiment;

const weight = z.number().min(0);

/** The schema of experiments whose model is this one. */
const makeSchema = (model: Model | undefined) => {
  const { name, description, seed, backend, data, split, train } = commonSettings;
  const loss = z.strictObject(
    Object.fromEntries(
      penalties
        .list()
        .map((penalty) => [
          penalty.name,
          (penalties.isBuiltIn(penalty.name) ? weight.default(0) : weight.optional()).describe(
            `Weight of the penalty ${penalty.name} on LUTs; 0 leaves it out.`,
          ),
        ]),
    ),
  );
  return z
    .strictObject({
      ...{ name, description, seed, backend, data, split },
      model: (model?.schema ?? unknownModel()).prefault({ kind: model?.kind ?? '' } as never),
      loss: loss.prefault({}),
      train,
      definitions: z.array(z.unknown()).optional(),
    })
    .superRefine((value, context) => {
      const issue = (
        path: (string | number)[],
        input: unknown,
        message: string,
        words?: readonly string[],
      ): void => context.addIssue({ code: 'custom', path, input, message, params: { words } });
      const { data, train } = value;
      if (data.bandMax.length !== data.bands.length)
        issue(['data', 'bandMax'], data.bandMax, `one value for each of ${data.bands.length} bands`);
      if (new Set(data.bands).size !== data.bands.length)
        issue(['data', 'bands'], data.bands, 'different names');
      for (const role of ['red', 'nir'] as const)
        if (data.ndvi && !data.bands.includes(data.ndvi[role]))
          issue(
            ['data', 'ndvi', role],
            data.ndvi[role],
            `one of ${data.bands.join(', ')}, or data.ndvi=null`,
            data.bands,
          );
      const settings = value.model as ModelSettings;
      for (const fault of model?.check?.({ settings: settings as never, data, train }) ?? [])
        issue(['model', ...fault.path], fault.value, fault.allowed);
      if (settings.conv && !model?.network)
        issue(['model', 'conv'], true, `false, unless model.kind is ${networks().join(' or ')}`);
    });
};

/** Made once for a model and what else is known: to make one takes zod longer than to check hundreds of experiments. */
const schemas = new Map<Model | undefined, { known: string; schema: ReturnType<typeof makeSchema> }>();

/** The schema that experiments of a model are checked by. */
export const schemaFor = (model: Model | undefined): ReturnType<typeof makeSchema> => {
  const known = [
    ...penalties.list().map(({ name }) => name),
    ...models.list().map(({ kind }) => kind),
  ].join();
  const made = schemas.get(model);
  if (made?.known === known) return made.schema;
  const schema = makeSchema(model);
  schemas.set(model, { known, schema });
  return schema;
};

const networks = (): string[] =>
  models
    .list()
    .filter(({ network }) => network)
    .map(({ kind }) => kind);

/** Stands in for a kind that nobody knows, so that the rest of the experiment is checked all the same. */
const unknownModel = () =>
  z.strictObject({ ...paperModel.shape, kind: z.enum(models.list().map(({ kind }) => kind)) });

const show = (value: unknown): string => {
  if (value === undefined) return 'nothing';
  return typeof value === 'number' ? String(value) : JSON.stringify(value);
};

const at = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((node, key) => (node as Record<PropertyKey, unknown> | undefined)?.[key], value);

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

/** The words that a text may be, where the issue knows them. */
const wordsOf = (issue: z.core.$ZodIssue): readonly string[] => {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  return issue.code === 'custom' ? ((issue.params?.['words'] as string[] | undefined) ?? []) : [];
};

const faultsOf = (error: z.ZodError, input: unknown, keysAt: (path: readonly PropertyKey[]) => string[]) =>
  error.issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => {
        const keys = keysAt(issue.path);
        const setting = `${[...path, key].join('.')}=${show(at(input, [...issue.path, key]))}`;
        return `unknown setting: ${setting}; ${didYouMean(key, keys)}allowed here: ${keys.join(', ')}`;
      });
    const value = at(input, issue.path);
    const hint = typeof value === 'string' ? didYouMean(value, wordsOf(issue)) : '';
    return `setting ${path.join('.')}: ${show(value)}; ${hint}allowed: ${allowed(issue)}`;
  });

/** The files behind what an experiment uses that is not the package's. */
const definitionsOf = ({ model, loss }: Experiment): Definition[] => [
  ...[models.origin(model.kind)].flatMap((origin) =>
    origin ? [{ what: 'model' as const, name: model.kind, ...origin }] : [],
  ),
  ...Object.keys(loss).flatMap((name) => {
    const origin = penalties.origin(name);
    return origin ? [{ what: 'penalty' as const, name, ...origin }] : [];
  }),
  ...metrics().flatMap(({ name }) => {
    const origin = metricOrigin(name);
    return origin ? [{ what: 'metric' as const, name, ...origin }] : [];
  }),
];

/**
 * Checks an experiment and spells out every default.
 *
 * @throws Fault with a line for each unknown key and each value of the wrong type or range
 */
export const resolveExperiment = (input: unknown): Experiment => {
  const kind = at(input, ['model', 'kind']) ?? 'unet-lut';
  const model = models.get(String(kind));
  const schema = schemaFor(model);
  const result = schema.safeParse(input);
  if (!result.success) {
    const keysAt = (path: readonly PropertyKey[]): string[] => {
      const keys = path.length === 0 ? Object.keys(schema.shape) : Object.keys(shapeAt(schema, path) ?? {});
      return keys.filter((key) => path.length > 0 || key !== 'definitions');
    };
    refuse(faultsOf(result.error, input, keysAt));
  }
  const { definitions: _, ...experiment } = result.data as unknown as Experiment;
  const definitions = definitionsOf(experiment);
  return definitions.length > 0 ? { ...experiment, definitions } : experiment;
};

/** The keys of the object that stands at `path` of a schema, defaults and refinements looked through. */
const shapeAt = (schema: z.ZodType, path: readonly PropertyKey[]): Record<string, z.ZodType> | null => {
  let node: unknown = schema;
  for (const key of [...path, null]) {
    while (
      node &&
      !(node as { shape?: object }).shape &&
      (node as { def?: { innerType?: unknown } }).def?.innerType
    )
      node = (node as { def: { innerType: unknown } }).def.innerType;
    if (key === null) break;
    node = (node as { shape?: Record<PropertyKey, unknown> } | undefined)?.shape?.[key];
  }
  return ((node as { shape?: Record<string, z.ZodType> } | undefined)?.shape ?? null) as Record<
    string,
    z.ZodType
  > | null;
};

/** What of a stored configuration this process lacks, or knows from a file that has changed; a line each. */
const missingDefinitions = ({ kind }: { kind: string }, stored: readonly Definition[]): string[] => {
  const definition = stored.find(({ what }) => what === 'model');
  const origin = models.origin(kind);
  if (!models.get(kind))
    return [
      definition
        ? `model: ${kind}; ${definition.file} defines it, --model FILE runs that file (nothing is run unasked)`
        : `model: ${kind}; it was defined in a notebook's cell, define it there again`,
    ];
  return definition && origin && origin.digest !== definition.digest
    ? [
        `model: ${kind}; ${origin.file} is not the file that defined it (SHA-256 ${origin.digest.slice(0, 12)}…, then ${definition.digest.slice(0, 12)}…): give the one of then`,
      ]
    : [];
};

/**
 * Takes up a configuration that was resolved when it was stored, in weights or in a run's folder. Penalties and metrics of
 * that time count for nothing where this process does not define them.
 *
 * @param words `--set` overrides
 * @throws Fault where its model is unknown here or another file's, and as {@link resolveExperiment}
 */
export const restoreExperiment = (stored: object, words: readonly string[] = []): Experiment => {
  const { definitions = [], ...input } = stored as Partial<Experiment>;
  refuse(input.model ? missingDefinitions(input.model, definitions) : []);
  const loss = Object.entries(input.loss ?? {}).filter(([name]) => penalties.get(name));
  return resolveExperiment(override({ ...input, loss: Object.fromEntries(loss) }, words));
};

/**
 * A stored configuration for listing and comparing: taken as it is where this process does not know its model, since nothing
 * of it is run.
 *
 * @throws Fault for a configuration of another version
 */
export const readExperiment = (stored: object): Experiment => {
  const { model, definitions = [] } = stored as Partial<Experiment>;
  const isForeign = model !== undefined && missingDefinitions(model, definitions).length > 0;
  return isForeign && definitions.length > 0 ? (stored as Experiment) : restoreExperiment(stored);
};
