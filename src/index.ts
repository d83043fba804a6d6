export { defineExperiment, resolveExperiment } from './config/experiment.js';
export { Fault } from './fault.js';
