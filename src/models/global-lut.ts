import { makeModel } from './model.js';
import { paperSettings } from './paper-settings.js';
import { globalLuts } from './smooth-lut.js';

/** One LUT for each band, the same for every tile: the least squared error on all training pixels, smoothed. */
export const globalLut = makeModel({
  kind: 'global-lut',
  settings: paperSettings,
  isReference: true,
  fit: globalLuts,
});
