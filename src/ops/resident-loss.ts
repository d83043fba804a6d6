import type { PatchPixels } from '../dataset/patch.js';
import {
  composedPixelGradient,
  type PatchTensors,
  releaseTensors,
  tensorBytes,
  uploadTensors,
} from './composed/resident-loss.js';
import { isFused } from './form.js';
import { gpuDevice } from './wgsl/gpu.js';
import { type PatchWords, releaseWords, uploadWords, wordBytes } from './wgsl/patch-words.js';
import { fusedPixelGradient } from './wgsl/pixel-gradient.js';
import { shaderShape } from './wgsl/shader-shape.js';

/** A patch that lies on the device, as the form that runs wants it. */
export type ResidentPatch = PatchTensors | PatchWords;

/** What {@link pixelGradient} works on; arrays as in alignLoss (see align-loss.ts). */
export interface PixelLossInputs<Patch = ResidentPatch> {
  /** [B, C, K] */
  lut: Float32Array;
  conv: Float32Array;
  running: Float32Array;
  /** B patches of one size. */
  patches: readonly Patch[];
  bandMax: readonly number[];
  norm: 'batch' | 'running';
}

/** The loss of the pixels, the running statistics after it, and its gradients. */
export interface PixelGradient {
  mse: number;
  running: Float32Array;
  /** [B, C, K] */
  ofLut: Float32Array;
  ofConv: Float32Array;
}

/** Whether the fused form runs; a card may be too small for many bands. */
const runsFused = (bands: number, knots: number): boolean =>
  isFused('resident-loss') && shaderShape(gpuDevice(), bands, knots) !== null;

/** Bytes of a patch on the device. */
export const residentBytes = (patch: PatchPixels, knots: number): number =>
  runsFused(patch.bands, knots) ? wordBytes(patch) : tensorBytes(patch);

/** Brings a patch to the device that is set. */
export const uploadPatch = (patch: PatchPixels, knots: number, bandMax: readonly number[]): ResidentPatch =>
  runsFused(patch.bands, knots) ? uploadWords(patch, bandMax) : uploadTensors(patch, knots, bandMax);

/** Gives a patch's room on the device back. */
export const releasePatch = (patch: ResidentPatch): void =>
  patch.form === 'fused' ? releaseWords(patch) : releaseTensors(patch);

const areWords = (patches: readonly ResidentPatch[]): patches is readonly PatchWords[] =>
  patches[0].form === 'fused';
const areTensors = (patches: readonly ResidentPatch[]): patches is readonly PatchTensors[] =>
  patches[0].form === 'composed';

/** Value and gradients of alignLoss (see align-loss.ts) on patches that lie on the device, all in one form. */
export const pixelGradient = async ({ patches, ...inputs }: PixelLossInputs): Promise<PixelGradient> => {
  if (areWords(patches)) return fusedPixelGradient({ ...inputs, patches });
  if (areTensors(patches)) return composedPixelGradient({ ...inputs, patches });
  throw new Error('resident loss: patches of two forms');
};
