// One build: the pixels of a scene are the same on every processor.
// asc apply:
export { alignStrip, applyStrip, residualRow } from './apply';
export { convRow } from './conv-rows';
