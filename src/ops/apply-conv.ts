import { convRows } from './composed/conv-rows.js';
import { isFused } from './form.js';
import { fusedConvRows } from './fused/apply-conv.js';
import type { ConvModule } from './mapping.js';

/** A window that carries its neighbours: 1 where a row or column of them is present, 0 at the image's edge. */
export interface Halo {
  left: 0 | 1;
  top: 0 | 1;
  right: 0 | 1;
  bottom: 0 | 1;
}

const edge: Halo = { left: 0, top: 0, right: 0, bottom: 0 };

/**
 * {@link applyConv} on a window of a larger image. Any cover by windows gives the bits of the whole image.
 *
 * @param y [bands, height + halo.top + halo.bottom, width + halo.left + halo.right]
 * @param out [bands, height, width]
 */
export const applyConvWindow = (
  module: ConvModule,
  y: Float32Array,
  width: number,
  height: number,
  halo: Halo,
  out: Float32Array,
): void => (isFused('apply-conv') ? fusedConvRows : convRows)(module, y, width, height, halo, out);

/**
 * The conv module at inference, `out = y + ReLU(scale ∘ (weight ⋆ y) + shift)`, zero beyond the image's edge.
 *
 * @param y LUT output, stored units, [bands, height, width]
 * @param out the same shape; not `y` itself
 */
export const applyConv = (
  module: ConvModule,
  y: Float32Array,
  width: number,
  height: number,
  out: Float32Array,
): void => applyConvWindow(module, y, width, height, edge, out);
