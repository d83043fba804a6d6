import { makeModel } from './model.js';
import { paperSettings } from './paper-settings.js';

/** The source as it is: what any other model must beat. */
export const identity = makeModel({
  kind: 'identity',
  settings: paperSettings,
  fit: ({ data }) => ({
    form: 'affine',
    slope: data.bands.map(() => 1),
    intercept: data.bands.map(() => 0),
  }),
  parameters: () => 0,
});
