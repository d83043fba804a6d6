import { z } from 'zod';

/**
 * The settings that the models of the paper share, so that one experiment is each of them by `--set model.kind=…` alone:
 * a model reads its own and leaves the others' as they are.
 */
export const paperSettings = {
  conv: z
    .boolean()
    .default(false)
    .describe('Add the residual convolution y + ReLU(BN(conv3×3(y))) behind the LUT (unet-lut only).'),
  linear: z
    .strictObject({
      method: z
        .enum(['ols', 'rma'])
        .default('ols')
        .describe('Ordinary least squares, or reduced major axis.'),
    })
    .prefault({}),
  globalLut: z
    .strictObject({
      smoothness: z
        .union([z.number().positive(), z.array(z.number().positive()).min(1)])
        .default(1e-3)
        .describe(
          'Closed-form LUTs: weight λ of the second differences, relative to the mean count per knot. Of several the validation list chooses one for each band.',
        ),
    })
    .prefault({}),
  unet: z
    .strictObject({
      width: z
        .int()
        .min(1)
        .max(256)
        .default(8)
        .describe('Channels of the first level; doubled at each level down.'),
      depth: z.int().min(1).max(8).default(4).describe('Levels down.'),
      norm: z.enum(['batch', 'group']).default('batch').describe('Normalisation behind each convolution.'),
      groups: z.int().min(1).default(4).describe('Groups of channels of group normalisation.'),
      input: z
        .enum(['share', 'sqrt'])
        .default('share')
        .describe('`share`: the L1-normalised histogram; `sqrt`: its square root × 4.'),
      output: z
        .enum(['absolute', 'correction'])
        .default('absolute')
        .describe(
          '`absolute`: LUT = ReLU(out)·scale; `correction`: LUT = global LUT + out·scale, last layer zero at the start.',
        ),
      scale: z.number().positive().default(100).describe('What the output is multiplied by, stored units.'),
    })
    .prefault({}),
};

/** The settings of a model of the paper, every default spelled out. */
export type PaperSettings = z.output<z.ZodObject<typeof paperSettings>>;
