import type { PatchPixels } from '../dataset/patch.js';
import { applyConv } from './apply-conv.js';
import { applyMapping } from './apply-mapping.js';
import type { ConvModule, Mapping } from './mapping.js';

/**
 * The source image of a patch, aligned: its tile's mapping, then the conv module, if there is one.
 *
 * @returns stored units, [bands, height, width], masked pixels too
 */
export const alignPixels = (
  mapping: Mapping,
  conv: ConvModule | null,
  { source, width, height }: PatchPixels,
): Float32Array => {
  const mapped = new Float32Array(source.length);
  applyMapping(mapping, source, width * height, mapped);
  if (!conv) return mapped;
  const out = new Float32Array(source.length);
  applyConv(conv, mapped, width, height, out);
  return out;
};
