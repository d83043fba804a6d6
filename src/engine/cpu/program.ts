import {
  argumentsAt,
  firstUnitAt,
  followersAt,
  numbersAt,
  opBytes,
  phaseBytes,
  type UnetOp,
  unitsAt,
} from '../abi.js';

/** A part of a pass through the UNet: `units` of it may be done in any order and by any thread. */
export interface Op {
  code: UnetOp;
  units: number;
  /** Arguments of 4 bytes: counts, and addresses and strides in bytes. */
  words: readonly number[];
  /** Arguments in float64. */
  numbers?: readonly number[];
  /** Ops with the same units: whoever did a unit of this does the same unit of these, one after the other. */
  followers?: readonly Op[];
}

/** Ops that do not depend on each other. */
export type Phase = readonly Op[];

/** The first of ops with the same units, and the others as what follows it. */
export const chain = ([first, ...followers]: readonly Op[]): Op => ({ ...first, followers });

/**
 * A phase's ops cut into a stretch of units for each thread, one thread's stretches behind the other's: a thread then finds
 * of each op the same part of the data that it wrote in the phase before.
 */
const shares = (ops: Phase, threads: number): { op: Op; from: number; to: number }[] => {
  const border = (op: Op, index: number, thread: number): number =>
    Math.floor((op.units * thread + (index % threads)) / threads);
  return Array.from({ length: threads }, (_, thread) =>
    ops.map((op, index) => ({ op, from: border(op, index, thread), to: border(op, index, thread + 1) })),
  )
    .flat()
    .filter(({ from, to }) => to > from);
};

const opsOf = (op: Op): readonly Op[] => [op, ...(op.followers ?? [])];

/** Bytes that a program takes. */
export const programBytes = (phases: readonly Phase[], threads: number): number =>
  phases.reduce(
    (sum, ops) =>
      shares(ops, threads).reduce((bytes, { op }) => bytes + opsOf(op).length * opBytes, sum + phaseBytes),
    0,
  );

/** Writes a program for so many threads to `at`, a multiple of 8; its phases begin there. */
export const writeProgram = (
  phases: readonly Phase[],
  threads: number,
  memory: ArrayBufferLike,
  at: number,
): void => {
  const view = new DataView(memory);
  let place = at + phases.length * phaseBytes;
  const write = ({ code, words, numbers = [] }: Op, from: number, to: number, followers: number): void => {
    view.setInt32(place, code, true);
    view.setInt32(place + unitsAt, to - from, true);
    view.setInt32(place + firstUnitAt, from, true);
    view.setInt32(place + followersAt, followers, true);
    for (const [i, word] of words.entries()) view.setInt32(place + argumentsAt + 4 * i, word, true);
    for (const [i, number] of numbers.entries()) view.setFloat64(place + numbersAt + 8 * i, number, true);
    place += opBytes;
  };
  for (const [index, ops] of phases.entries()) {
    const phase = at + index * phaseBytes;
    view.setUint32(phase, place, true);
    view.setInt32(
      phase + 4,
      ops.reduce((sum, { units }) => sum + units, 0),
      true,
    );
    for (const { op, from, to } of shares(ops, threads))
      for (const each of opsOf(op)) write(each, from, to, each === op ? (op.followers?.length ?? 0) : 0);
  }
};
