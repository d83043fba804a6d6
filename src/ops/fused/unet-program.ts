/** A share of a pass through the UNet: `units` of it may be done in any order and by any thread. */
export interface Op {
  code: number;
  units: number;
  /** Arguments of 4 bytes: counts, and addresses and strides in bytes. */
  words: readonly number[];
  /** Arguments in float64. */
  numbers?: readonly number[];
}

/** Ops that do not depend on each other. */
export type Phase = readonly Op[];

/** As kernels/unet-program.ts numbers them. */
export const opCode = {
  product: 0,
  cross: 1,
  packLeft: 2,
  normForward: 3,
  normBackward: 4,
  columnSums: 5,
  poolForward: 6,
  poolBackward: 7,
  planesToRows: 8,
  rowsToPlanes: 9,
  packConv: 10,
  packConvBack: 11,
  unpackConv: 12,
  packUp: 13,
  packUpBack: 14,
  unpackUp: 15,
  packPoint: 16,
  unpackPoint: 17,
  padBias: 18,
} as const;

// layout of an op: kernels/unet-program.ts
const opBytes = 96;
const argumentsAt = 8;
const numbersAt = 80;
const phaseBytes = 8;

/** Bytes that a program takes. */
export const programBytes = (phases: readonly Phase[]): number =>
  phases.reduce((sum, ops) => sum + phaseBytes + ops.length * opBytes, 0);

/** Writes a program to `at`, a multiple of 8; its phases begin there. */
export const writeProgram = (phases: readonly Phase[], memory: ArrayBufferLike, at: number): void => {
  const view = new DataView(memory);
  let op = at + phases.length * phaseBytes;
  for (const [index, ops] of phases.entries()) {
    const phase = at + index * phaseBytes;
    view.setUint32(phase, op, true);
    view.setInt32(
      phase + 4,
      ops.reduce((sum, { units }) => sum + units, 0),
      true,
    );
    for (const { code, units, words, numbers = [] } of ops) {
      view.setInt32(op, code, true);
      view.setInt32(op + 4, units, true);
      for (const [i, word] of words.entries()) view.setInt32(op + argumentsAt + 4 * i, word, true);
      for (const [i, number] of numbers.entries()) view.setFloat64(op + numbersAt + 8 * i, number, true);
      op += opBytes;
    }
  }
};
