// One build: the pixels of a scene are the same on every processor.
// asc apply:
export { applyStrip, residualRow } from './apply';
export { convRow } from './conv-rows';
