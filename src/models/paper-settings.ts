import { z } from 'zod';

/**
 * The settings that the models of the paper share, so that one experiment is each of them by `--set model.kind=…` alone:
 * a model reads its own and leaves the others' as they are.
 */
export const paperSettings = {
  /** Add the residual convolution y + ReLU(BN(conv3×3(y))) behind the LUT (unet-lut only). */
  conv: z.boolean().default(false),
  linear: z.strictObject({ method: z.enum(['ols', 'rma']).default('ols') }).prefault({}),
  /**
   * Closed-form LUTs: weight λ of the second differences, relative to the mean count per knot. Of several the
   * validation list chooses one for each band.
   */
  globalLut: z
    .strictObject({
      smoothness: z.union([z.number().positive(), z.array(z.number().positive()).min(1)]).default(1e-3),
    })
    .prefault({}),
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
};

/** The settings of a model of the paper, every default spelled out. */
export type PaperSettings = z.output<z.ZodObject<typeof paperSettings>>;
