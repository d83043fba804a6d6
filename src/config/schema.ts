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
  /** With `tile`: the number of folds that the tiles are dealt into; null is one tile a fold. */
  folds: z.int().min(2).nullable().default(null),
});

const model = z.strictObject({
  kind: z
    .enum(['identity', 'linear', 'histogram-matching', 'global-lut', 'unet-lut', 'oracle'])
    .default('unet-lut'),
  /** Knots of a LUT, equally spaced over [0, bandMax − 1]. A UNet needs as many knots as bins. */
  knots: z.int().min(2).max(4096).default(256),
  /** Add the residual convolution y + ReLU(BN(conv3×3(y))) behind the LUT (unet-lut only). */
  conv: z.boolean().default(false),
  linear: z.strictObject({ method: z.enum(['ols', 'rma']).default('ols') }).prefault({}),
  /** Closed-form LUTs: weight λ of the second differences, relative to the mean count per knot. */
  globalLut: z.strictObject({ smoothness: z.number().positive().default(1e-3) }).prefault({}),
  unet: z
    .strictObject({
      /** Channels of the first level; doubled at each level down. */
      width: z.int().min(1).max(256).default(8),
      depth: z.int().min(1).max(8).default(4),
      norm: z.enum(['batch', 'group']).default('batch'),
      groups: z.int().min(1).default(4),
      /** `share`: the L1-normalised histogram; `sqrt`: its square root × 4. */
      input: z.enum(['share', 'sqrt']).default('share'),
      /** `absolute`: LUT = ReLU(out)·scale; `correction`: LUT = global LUT + out·scale, last layer zero at the start. */
      output: z.enum(['absolute', 'correction']).default('absolute'),
      scale: z.number().positive().default(100),
    })
    .prefault({}),
});

const loss = z.strictObject({
  /** Weight of the total variation of a LUT (0.01 in the published recipe). */
  tv: z.number().min(0).default(0),
  /** Weight of its decreases. */
  monotonicity: z.number().min(0).default(0),
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

/** An experiment, every default in this one place: the published program's values unless a comment says other. */
export const experimentSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[A-Za-z0-9][\w.-]*$/, 'letters, digits, dot, dash and underscore')
      .default('experiment'),
    description: z.string().default(''),
    seed: z.int().min(0).max(0xffffffff).default(2022),
    backend: z.enum(['auto', 'cpu', 'wasm', 'webgpu', 'tensorflow']).default('auto'),
    data: data.prefault({}),
    split: split.prefault({}),
    model: model.prefault({}),
    loss: loss.prefault({}),
    train: train.prefault({}),
  })
  .superRefine((value, context) => {
    const issue = (path: (string | number)[], input: unknown, message: string): void =>
      context.addIssue({ code: 'custom', path, input, message });
    const { data, model } = value;
    if (data.bandMax.length !== data.bands.length)
      issue(['data', 'bandMax'], data.bandMax, `one value for each of ${data.bands.length} bands`);
    if (new Set(data.bands).size !== data.bands.length)
      issue(['data', 'bands'], data.bands, 'different names');
    for (const role of ['red', 'nir'] as const)
      if (data.ndvi && !data.bands.includes(data.ndvi[role]))
        issue(['data', 'ndvi', role], data.ndvi[role], `one of ${data.bands.join(', ')}, or data.ndvi=null`);
    if (model.kind === 'unet-lut') {
      if (model.knots !== data.bins)
        issue(['model', 'knots'], model.knots, `data.bins (${data.bins}) for a unet-lut`);
      if (model.knots >> model.unet.depth < 1)
        issue(['model', 'unet', 'depth'], model.unet.depth, `at most ${Math.floor(Math.log2(model.knots))}`);
      if (model.unet.norm === 'group' && model.unet.width % model.unet.groups !== 0)
        issue(
          ['model', 'unet', 'groups'],
          model.unet.groups,
          `a divisor of model.unet.width (${model.unet.width})`,
        );
    } else if (model.conv) issue(['model', 'conv'], true, 'false, unless model.kind is unet-lut');
  });

/** A resolved experiment: every default spelled out. */
export type Experiment = z.output<typeof experimentSchema>;
/** What a person writes: any part of an experiment. */
export type ExperimentInput = z.input<typeof experimentSchema>;
