// asc apply:
// asc apply-fused: --enable relaxed-simd
export { applyStrip, residualRow } from './apply';
export { convRow } from './conv-rows';
