export { applyStrip, residualRow } from './apply';
export { convRow } from './conv-rows';
