import { z } from 'zod';

const share = z.number().min(0).max(1);
const folder = z.string().min(1);

const data = z.strictObject({
  bands: z
    .array(z.string().min(1))
    .min(1)
    .default(['blue', 'green', 'red', 'nir'])
    .describe('Band names, in file order; the length sets the number of bands everywhere.'),
  bandMax: z
    .array(z.int().min(2).max(32767))
    .min(1)
    .default([3000, 3000, 4000, 6500])
    .describe("Upper end of each band's histogram and LUT, in stored units (reflectance × 10 000)."),
  bins: z.int().min(2).max(4096).default(256).describe('Bins of a histogram, equal over [0, bandMax].'),
  folders: z
    .strictObject({
      source: folder.default('S2').describe('Folder of a region that holds the source images.'),
      target: folder.default('GF1').describe('Folder of a region that holds the target images.'),
      mask: folder.default('mask').describe('Folder of a region that holds the masks.'),
    })
    .prefault({}),
  ndvi: z
    .strictObject({
      red: z.string().describe('Its red band.'),
      nir: z.string().describe('Its near-infrared band.'),
    })
    .nullable()
    .default({ red: 'red', nir: 'nir' })
    .describe('The two bands of the vegetation index that is scored beside the bands; null for none.'),
  histograms: z
    .enum(['auto', 'pickle', 'computed'])
    .default('auto')
    .describe(
      "`auto`: the dataset's pickles where they are complete, else computed; or one of the two, insisted on.",
    ),
  pair: z
    .strictObject({
      source: z.string().min(1).describe('Raster of the source sensor.'),
      target: z.string().min(1).describe('Raster of the target sensor, on the same grid.'),
      mask: z
        .string()
        .min(1)
        .nullable()
        .default(null)
        .describe('Raster that says which pixels are valid; null: all but nodata.'),
      patch: z
        .tuple([z.int().positive(), z.int().positive()])
        .default([512, 512])
        .describe('Patch width and height, pixels.'),
      bands: z
        .array(z.int().positive())
        .nullable()
        .default(null)
        .describe('1-based bands of both files, in the order of `data.bands`.'),
      sourceBands: z
        .array(z.int().positive())
        .nullable()
        .default(null)
        .describe(
          'The same for each file apart; they go before `bands`. Null: by the names and colours of its bands.',
        ),
      targetBands: z
        .array(z.int().positive())
        .nullable()
        .default(null)
        .describe('1-based bands of the target file; see sourceBands.'),
      scale: z
        .number()
        .positive()
        .nullable()
        .default(null)
        .describe(
          "Stored values of the source that make reflectance 1: 10000, 1000 or 1; null: the file's scale, else 10000.",
        ),
      boaOffset: z
        .number()
        .nullable()
        .default(null)
        .describe(
          "Added to stored values of the source before scaling, such as -1000; null: the file's offset, else 0.",
        ),
      targetScale: z
        .number()
        .positive()
        .nullable()
        .default(null)
        .describe('The same as scale, of the target.'),
      targetBoaOffset: z.number().nullable().default(null).describe('The same as boaOffset, of the target.'),
      maskValid: z
        .array(z.int())
        .nullable()
        .default(null)
        .describe(
          'Values of the mask that are valid, such as 4, 5, 6, 7, 11 of a scene classification; null: above 0.',
        ),
      maskBits: z
        .array(z.int().min(0).max(31))
        .nullable()
        .default(null)
        .describe('Bits of the mask of which none may be set, 0 the lowest, as of a quality band.'),
      forceRange: z
        .boolean()
        .default(false)
        .describe('Go on where nearly all values of a band lie outside [0, bandMax].'),
      val: share
        .default(0.2)
        .describe('Share of tiles that validates; what neither validates nor tests trains.'),
      test: share.default(0.4).describe('Share of tiles that tests.'),
    })
    .nullable()
    .default(null)
    .describe("Two co-registered rasters instead of the paper's folders; they are cut into patches."),
});

const split = z.strictObject({
  by: z
    .enum(['lists', 'tile', 'date', 'site'])
    .default('lists')
    .describe(
      "`lists`: the dataset's divide/*.txt; else leave-one-out folds over tiles, dates or sites of all its patches.",
    ),
  fold: z
    .int()
    .min(0)
    .default(0)
    .describe('Which group is held out for testing, counted in sorted order; the next one validates.'),
  folds: z
    .int()
    .min(2)
    .nullable()
    .default(null)
    .describe(
      'The number of folds that tiles are dealt into, or that dates are cut into, neighbours together; null is a fold for each. Sites are folds of their own.',
    ),
});

const train = z.strictObject({
  epochs: z.int().min(1).default(200).describe('Passes over the training list.'),
  batchSize: z.int().min(1).default(4).describe('Patches in a step.'),
  lr: z.number().positive().default(1e-3).describe('Highest learning rate.'),
  schedule: z
    .enum(['constant', 'exponential', 'polynomial', 'cosine'])
    .default('constant')
    .describe('How the learning rate falls over the epochs.'),
  warmup: z.int().min(0).default(0).describe('Steps of linear warm-up before the schedule.'),
  weightDecay: z.number().min(0).default(1e-4).describe('L2, added to the gradient (Adam, not AdamW).'),
  ema: z
    .number()
    .min(0)
    .lt(1)
    .default(0)
    .describe(
      'Decay of the exponential moving average of the weights; 0 keeps none. Warmed up as (1+t)/(10+t).',
    ),
  batchNorm: z
    .enum(['standard', 'published'])
    .default('standard')
    .describe(
      "`published`: batch statistics until the first validation, running statistics ever after (the original's fault).",
    ),
  shuffle: z.boolean().default(true).describe('Shuffle the patches in each epoch; false keeps list order.'),
  validateEvery: z.int().min(1).default(5).describe('Epochs between validations.'),
  checkpointEvery: z.int().min(1).default(5).describe('Epochs between checkpoints.'),
  keep: z
    .int()
    .min(1)
    .default(3)
    .describe('Numbered checkpoints kept, newest first; best and last are always kept.'),
});

/** Settings that every experiment has beside its model and its penalties; experiments/experiment.ts puts them together. */
export const commonSettings = {
  name: z
    .string()
    .regex(/^[A-Za-z0-9][\w.-]*$/, 'letters, digits, dot, dash and underscore')
    .default('experiment')
    .describe('Names its runs and its row in tables.'),
  description: z.string().default('').describe('What it is, for people.'),
  seed: z
    .int()
    .min(0)
    .max(0xffffffff)
    .default(2022)
    .describe('Seed of everything that is drawn by chance; the same seed gives the same bits.'),
  backend: z
    .enum(['auto', 'cpu', 'wasm', 'webgpu', 'tensorflow'])
    .default('auto')
    .describe('What computes; auto asks BANDALIGN_BACKEND, and failing that takes cpu.'),
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
