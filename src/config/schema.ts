import { z } from 'zod';

const share = z.number().min(0).max(1);
const folder = z.string().min(1);

const data = z.strictObject({
  /** Band names, in file order; the length sets the number of bands everywhere. */
  bands: z.array(z.string().min(1)).min(1).default(['blue', 'green', 'red', 'nir']),
  /** Upper end of each band's histogram and LUT, in stored units (reflectance × 10 000). */
  bandMax: z.array(z.int().min(2).max(32767)).min(1).default([3000, 3000, 4000, 6500]),
  /** Bins of a histogram, equal over [0, bandMax]. */
  bins: z.int().min(2).max(4096).default(256),
  /** Folders of a region that hold the source images, the target images and the masks. */
  folders: z
    .strictObject({
      source: folder.default('S2'),
      target: folder.default('GF1'),
      mask: folder.default('mask'),
    })
    .prefault({}),
  /** The two bands of the vegetation index that is scored beside the bands; null for none. */
  ndvi: z.strictObject({ red: z.string(), nir: z.string() }).nullable().default({ red: 'red', nir: 'nir' }),
  /** `auto`: the dataset's pickles where they are complete, else computed; or one of the two, insisted on. */
  histograms: z.enum(['auto', 'pickle', 'computed']).default('auto'),
  /** Two co-registered rasters instead of the paper's folders; they are cut into patches. */
  pair: z
    .strictObject({
      source: z.string().min(1),
      target: z.string().min(1),
      mask: z.string().min(1).nullable().default(null),
      /** Patch width and height, pixels. */
      patch: z.tuple([z.int().positive(), z.int().positive()]).default([512, 512]),
      /** 1-based bands of both files, in the order of `data.bands`. */
      bands: z.array(z.int().positive()).nullable().default(null),
      /** The same for each file apart; they go before `bands`. Null: by the names and colours of its bands. */
      sourceBands: z.array(z.int().positive()).nullable().default(null),
      targetBands: z.array(z.int().positive()).nullable().default(null),
      /** Stored values of the source that make reflectance 1: 10000, 1000 or 1; null: the file's scale, else 10000. */
      scale: z.number().positive().nullable().default(null),
      /** Added to stored values of the source before scaling, such as -1000; null: the file's offset, else 0. */
      boaOffset: z.number().nullable().default(null),
      targetScale: z.number().positive().nullable().default(null),
      targetBoaOffset: z.number().nullable().default(null),
      /** Values of the mask that are valid, such as 4, 5, 6, 7, 11 of a scene classification; null: above 0. */
      maskValid: z.array(z.int()).nullable().default(null),
      /** Bits of the mask of which none may be set, 0 the lowest, as of a quality band. */
      maskBits: z.array(z.int().min(0).max(31)).nullable().default(null),
      /** Go on where nearly all values of a band lie outside [0, bandMax]. */
      forceRange: z.boolean().default(false),
      /** Shares of tiles that go to validation and test; the rest trains. */
      val: share.default(0.2),
      test: share.default(0.4),
    })
    .nullable()
    .default(null),
});

const split = z.strictObject({
  /** `lists`: the dataset's divide/*.txt; else leave-one-out folds over tiles, dates or sites of all its patches. */
  by: z.enum(['lists', 'tile', 'date', 'site']).default('lists'),
  /** Which group is held out for testing, counted in sorted order; the next one validates. */
  fold: z.int().min(0).default(0),
  /**
   * The number of folds that tiles are dealt into, or that dates are cut into, neighbours together; null is a fold for each.
   * Sites are folds of their own.
   */
  folds: z.int().min(2).nullable().default(null),
});

const train = z.strictObject({
  epochs: z.int().min(1).default(200),
  batchSize: z.int().min(1).default(4),
  lr: z.number().positive().default(1e-3),
  schedule: z.enum(['constant', 'exponential', 'polynomial', 'cosine']).default('constant'),
  /** Steps of linear warm-up before the schedule. */
  warmup: z.int().min(0).default(0),
  /** L2, added to the gradient (Adam, not AdamW). */
  weightDecay: z.number().min(0).default(1e-4),
  /** Decay of the exponential moving average of the weights; 0 keeps none. Warmed up as (1+t)/(10+t). */
  ema: z.number().min(0).lt(1).default(0),
  /** `published`: batch statistics until the first validation, running statistics ever after (the original's fault). */
  batchNorm: z.enum(['standard', 'published']).default('standard'),
  /** Shuffle the patches in each epoch; false keeps list order. */
  shuffle: z.boolean().default(true),
  validateEvery: z.int().min(1).default(5),
  checkpointEvery: z.int().min(1).default(5),
  /** Numbered checkpoints kept, newest first; best and last are always kept. */
  keep: z.int().min(1).default(3),
});

/** Settings that every experiment has beside its model and its penalties; experiments/experiment.ts puts them together. */
export const commonSettings = {
  name: z
    .string()
    .regex(/^[A-Za-z0-9][\w.-]*$/, 'letters, digits, dot, dash and underscore')
    .default('experiment'),
  description: z.string().default(''),
  seed: z.int().min(0).max(0xffffffff).default(2022),
  backend: z.enum(['auto', 'cpu', 'wasm', 'webgpu', 'tensorflow']).default('auto'),
  data: data.prefault({}),
  split: split.prefault({}),
  train: train.prefault({}),
};

/** How the data lies and what is scored. */
export type DataSettings = z.output<typeof data>;
/** What is trained, validated and tested on. */
export type SplitSettings = z.output<typeof split>;
/** How a network is trained. */
export type TrainSettings = z.output<typeof train>;
