import type * as tf from '@tensorflow/tfjs-core';
import * as zod from 'zod';
import type { Random } from '../config/random.js';
import type { DataSettings, TrainSettings } from '../config/schema.js';
import type { JointCounts, JointShape } from '../dataset/joint-statistics.js';
import type { StatisticsTable, SummedRows } from '../dataset/statistics-table.js';
import type { UnetSpec } from '../engine/layout.js';
import { type Mapping, valuesIn } from './mapping.js';
import { mappingTensors, readMapping } from './mapping-tensors.js';
import type { PaperSettings } from './paper-settings.js';
import type { Tensor } from './tensor-file.js';

type ZodModule = typeof zod.z;

/** Zod's builders; a name of ours, as a notebook cannot name the module that they come from. */
export interface SettingBuilders extends ZodModule {}

/** Zod, in which a model's settings are written: `z.int().min(1).default(64)`. */
export const z: SettingBuilders = zod.z;

/**
 * Settings of a model as an experiment resolves them. Every model has `kind` and `knots`; those of the paper and networks
 * also `conv`, whether the residual conv module stands behind the LUT.
 */
export interface ModelSettings extends Partial<PaperSettings> {
  kind: string;
  /** Knots of a LUT, equally spaced over [0, bandMax − 1]; the statistics of the data have as many. */
  knots: number;
  readonly [setting: string]: unknown;
}

/** Settings of the model, typed by its own schema. */
export type SettingsOf<S extends zod.ZodRawShape> = zod.output<zod.ZodObject<S>> & {
  kind: string;
  knots: number;
};

/** What a model knows beside the data: its settings, and how the data is described. */
export interface ModelContext<S extends zod.ZodRawShape = zod.ZodRawShape> {
  settings: SettingsOf<S>;
  data: DataSettings;
}

/** Training and validation patches one by one, for models that look at tiles. */
export interface ModelPatches {
  /** Statistics of every patch; rows are its patches. */
  table: StatisticsTable;
  rows: { train: readonly number[]; val: readonly number[] };
  /** Source counts of a row's patch, and of a whole tile (`tile_date`), [bands·bins]. */
  histogram: (row: number) => Float64Array;
  tileHistogram: (tile: string) => Float64Array;
  /** A row's patch as if it were a tile of its own. */
  patch: (row: number) => Tile;
  /** A tile of the dataset (`tile_date`) as a mapping is asked for it, without its target. */
  tile: (tile: string) => Tile;
  /** Sums over some rows. */
  sum: (rows: Iterable<number>) => SummedRows;
}

/** What a model is fitted on. */
export interface FitInput<S extends zod.ZodRawShape = zod.ZodRawShape> extends ModelContext<S> {
  /** Sums over all training pixels: moments, histograms and the quadratic error of a LUT, for each band. */
  sums: SummedRows;
  patches: ModelPatches;
}

/** What is known of a tile (`tile_date`) when its mapping is asked for. */
export interface Tile {
  /** Source counts, [bands·bins]. */
  histogram: Float64Array;
  /** Counts of pairs of source bands, for a model that asks for joint statistics. */
  joint?: JointCounts<ArrayLike<number>>;
  /**
   * Sums over pairs of source and target that a bound may look at: all of the tile's, or, for a cross-fitted one, those of
   * the other half of its patches; null where that is empty. Absent where there is no target, as in a scene.
   */
  sums?: () => SummedRows | null;
}

/** Tensors by name, as a weights file holds them. */
export type Tensors = ReadonlyMap<string, Tensor>;

interface ModelBase<S extends zod.ZodRawShape> {
  /** Names the model in experiments, weights and tables. */
  kind: string;
  /** Its settings beside `kind` and `knots`, each with a default: a zod object, or the fields of one. */
  settings: S | zod.ZodObject<S>;
  /** What of its settings does not go with the rest of the experiment: path under `model`, value, what is allowed. */
  check?: (
    context: ModelContext<S> & { train: TrainSettings },
  ) => { path: readonly string[]; value: unknown; allowed: string }[];
  /** It needs statistics of all bands together, of this shape. */
  joint?: (context: ModelContext<S>) => JointShape | null;
  /**
   * It sees the target of what it is tested on: a bound that competes for nothing. `in-sample`: all of a tile's patches;
   * `cross-fitted`: the half that is not scored, each half in turn.
   */
  bound?: 'in-sample' | 'cross-fitted';
  /** The one that others are to beat: where it stands, 0 % of the gap to a bound is closed. */
  isReference?: boolean;
}

/** A model with one mapping for all tiles, in closed form. */
export interface GlobalModel<S extends zod.ZodRawShape> extends ModelBase<S> {
  fit: (input: FitInput<S>) => Mapping | Promise<Mapping>;
  /** Values that were fitted; by default all of the mapping's. */
  parameters?: (fitted: Mapping) => number;
}

/** A model with a mapping for each tile, in closed form. */
export interface TileModel<S extends zod.ZodRawShape, Fitted> extends ModelBase<S> {
  fit: (input: FitInput<S>) => Fitted | Promise<Fitted>;
  mapping: (fitted: Fitted, tile: Tile, context: ModelContext<S>) => Mapping | Promise<Mapping>;
  /** What a weights file holds of it; absent for a model that keeps nothing, such as a bound. */
  tensors?: (fitted: Fitted) => Tensors;
  /** Reads back {@link tensors}. @throws Fault for tensors that are missing or of another shape */
  restore?: (tensors: Tensors, context: ModelContext<S>) => Fitted;
  parameters?: (fitted: Fitted) => number;
}

/** Fresh values of a network's tensors by name. */
export type NamedValues = Record<string, { shape: readonly number[]; values: ArrayLike<number> }>;

/** What a network computes with, in TensorFlow.js; what it makes on the way is disposed of for it. */
export interface ForwardInput<S extends zod.ZodRawShape = zod.ZodRawShape> extends ModelContext<S> {
  tf: typeof tf;
  /** Its trainable tensors, and those of `running` and `constants`, by name. */
  weights: Record<string, tf.Tensor>;
  running: Record<string, tf.Tensor>;
  constants: Record<string, tf.Tensor>;
  /** L1-normalised source histograms, [samples, bands, bins]. */
  histogram: tf.Tensor3D;
  /** True for a training step, false for validation, tests and scenes. */
  training: boolean;
  /** `batch`: batch norm by the batch's own statistics; `running`: by the running ones, as always outside training. */
  norm: 'batch' | 'running';
  /** Another whole number at every step and the same one whenever a step is computed again: for dropout. */
  seed: number;
}

/** A network that the framework trains: what it is, and how a LUT comes out of a histogram. */
export interface Network<S extends zod.ZodRawShape> {
  /** Trainable tensors before the first step. `random` makes a seed give the same ones. */
  init: (context: ModelContext<S> & { random: Random }) => NamedValues;
  /** Tensors that follow the batches without a gradient, such as batch norm's running statistics. */
  initRunning?: (context: ModelContext<S>) => NamedValues;
  /** Tensors that are computed from the training data once and kept with the weights: their shapes, their values. */
  constants?: {
    shapes: (context: ModelContext<S>) => Record<string, readonly number[]>;
    values: (input: FitInput<S>) => Record<string, ArrayLike<number>>;
  };
  /** Why it cannot train on so small a batch (the last one of an epoch, mostly); null where it can. */
  checkBatch?: (
    context: ModelContext<S>,
    batches: { smallest: number; patches: number; batchSize: number },
  ) => string | null;
  /** LUTs in stored units, [samples, bands, knots]; with the new values of `running` where it has such tensors. */
  forward: (input: ForwardInput<S>) => tf.Tensor3D | { lut: tf.Tensor3D; running: Record<string, tf.Tensor> };
  /** The shape of the UNet-LUT that this network is, where the engine computes it instead of TensorFlow.js. */
  engine?: (context: ModelContext<S>) => EngineNetwork;
}

/** What the engine must know to compute a network of its kind. */
export interface EngineNetwork {
  spec: UnetSpec;
  /** Input of the UNet: the L1-normalised histogram, or four times its square root. */
  input: 'share' | 'sqrt';
  /** LUT = ReLU(out)·scale, or base + out·scale over a LUT that is among the constants under this name. */
  scale: number;
  base: string | null;
}

/** A model that is trained by gradient. */
export interface NetworkModel<S extends zod.ZodRawShape> extends ModelBase<S> {
  network: Network<S>;
}

// biome-ignore lint/suspicious/noExplicitAny: what a model keeps is its own business
type Any = any;

/** A model of any kind, as the rest of the program sees it. */
export interface Model extends ModelBase<Any> {
  /** Fits it in closed form; absent for a network. */
  fit?: (input: FitInput<Any>) => unknown;
  mapping?: (fitted: unknown, tile: Tile, context: ModelContext<Any>) => Mapping | Promise<Mapping>;
  tensors?: (fitted: unknown) => Tensors;
  restore?: (tensors: Tensors, context: ModelContext<Any>) => unknown;
  parameters?: (fitted: unknown) => number;
  network?: Network<Any>;
  /** The schema of `model` in an experiment. */
  schema: zod.ZodType<ModelSettings>;
}

/** An experiment's `model` for one kind; TypeScript knows its settings. */
export type Configured<S extends zod.ZodRawShape> = { readonly configured: true } & zod.input<
  zod.ZodObject<S>
> & {
    kind: string;
  };

/** A definition, and its settings as an experiment takes them. */
export type Defined<S extends zod.ZodRawShape> = Model & {
  /** `model` of an experiment: this model with these settings, the others at their defaults. */
  configure: (settings?: zod.input<zod.ZodObject<S>> & { knots?: number; conv?: boolean }) => Configured<S>;
};

const schemaOf = (
  kind: string,
  settings: zod.ZodRawShape | zod.ZodObject,
  isNetwork: boolean,
): zod.ZodType<ModelSettings> =>
  z.strictObject({
    kind: z.literal(kind).default(kind),
    knots: z
      .int()
      .min(2)
      .max(4096)
      .default(256)
      .describe('Knots of a LUT, equally spaced over [0, bandMax − 1].'),
    ...(isNetwork
      ? { conv: z.boolean().default(false).describe('Add the residual convolution behind the LUT.') }
      : {}),
    ...(settings instanceof z.ZodObject ? settings.shape : settings),
  }) as unknown as zod.ZodType<ModelSettings>;

/**
 * A model from its parts: in closed form with one mapping (`fit`), in closed form with a mapping for each tile (`fit`,
 * `mapping`, `tensors`, `restore`), or a network that the framework trains (`network`).
 */
export function makeModel<S extends zod.ZodRawShape>(model: NetworkModel<S>): Defined<S>;
export function makeModel<S extends zod.ZodRawShape, Fitted>(model: TileModel<S, Fitted>): Defined<S>;
export function makeModel<S extends zod.ZodRawShape>(model: GlobalModel<S>): Defined<S>;
export function makeModel(model: GlobalModel<Any> | TileModel<Any, Any> | NetworkModel<Any>): Defined<Any> {
  const isNetwork = 'network' in model;
  const isGlobal = !isNetwork && !('mapping' in model);
  const defined: Defined<Any> = {
    ...(isGlobal
      ? {
          mapping: (fitted: unknown) => fitted as Mapping,
          tensors: (fitted: unknown) => mappingTensors(fitted as Mapping),
          restore: (tensors: Tensors, { settings, data }: ModelContext<Any>) =>
            readMapping(tensors, settings.knots, data.bandMax),
          parameters: (fitted: unknown) => valuesIn(fitted as Mapping),
        }
      : {}),
    ...(model as Partial<Model>),
    kind: model.kind,
    settings: model.settings,
    schema: schemaOf(model.kind, model.settings, isNetwork),
    configure: (settings = {}) => ({ ...settings, kind: model.kind }) as Configured<Any>,
  };
  return defined;
}
