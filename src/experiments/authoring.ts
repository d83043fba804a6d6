/** What `bandalign` means inside an experiment file: all that one is written with. */

export { seededRandom } from '../config/random.js';
export { Fault } from '../fault.js';
export { definePenalty } from '../losses/index.js';
export { defineMetric } from '../metrics/index.js';
export { defineModel } from '../models/index.js';
export { z } from '../models/model.js';
export { smoothLuts } from '../models/smooth-lut.js';
export { defineExperiment } from './experiment.js';
export { defineSweep } from './sweep.js';
