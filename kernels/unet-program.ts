/**
 * A pass through the UNet is a program: phases one after the other, each of ops whose units may be done in any order by
 * any thread. The host writes it once (src/ops/fused/unet-program.ts has the same layout).
 */
import { crossUnit, packLeftUnit, productUnit } from './matrix';
import { columnSumsUnit, normBackwardUnit, normForwardUnit, poolBackwardUnit, poolForwardUnit } from './norm';
import {
  packConv,
  packConvBack,
  packPoint,
  packUp,
  packUpBack,
  padBias,
  planesToRowsUnit,
  rowsToPlanesUnit,
  unpackConv,
  unpackPoint,
  unpackUp,
} from './pack';

/** Bytes of an op: its code, its units, its arguments in 4 bytes each, two float64 at the end. */
const opBytes: usize = 96;
const unitsAt: usize = 4;
const argumentsAt: usize = 8;
const numbersAt: usize = 80;

@inline function whole(op: usize, index: usize): i32 { return load<i32>(op + argumentsAt + (index << 2)); }
@inline function place(op: usize, index: usize): usize { return <usize>load<u32>(op + argumentsAt + (index << 2)); }
@inline function real(op: usize, index: usize): f64 { return load<f64>(op + numbersAt + (index << 3)); }

function matrixUnit(code: i32, op: usize, unit: i32, scratch: usize): void {
  if (code == 0)
    productUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), place(op, 4), place(op, 5), place(op, 6),
      place(op, 7), place(op, 8), place(op, 9), place(op, 10), place(op, 11),
    );
  else if (code == 1)
    crossUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), place(op, 3), place(op, 4), place(op, 5), place(op, 6),
      place(op, 7), place(op, 8), place(op, 9), place(op, 10), place(op, 11), scratch,
    );
  else
    packLeftUnit(unit, whole(op, 0), whole(op, 1), place(op, 2), place(op, 3), place(op, 4), place(op, 5));
}

function rowsUnit(code: i32, op: usize, unit: i32, scratch: usize): void {
  if (code == 3)
    normForwardUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), whole(op, 4), whole(op, 5), place(op, 6),
      place(op, 7), place(op, 8), place(op, 9), place(op, 10), place(op, 11), place(op, 12), place(op, 13),
      place(op, 14), real(op, 0), real(op, 1), scratch,
    );
  else if (code == 4)
    normBackwardUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), whole(op, 4), whole(op, 5), place(op, 6),
      place(op, 7), place(op, 8), place(op, 9), place(op, 10), place(op, 11), place(op, 12), place(op, 13),
      place(op, 14), scratch,
    );
  else if (code == 5)
    columnSumsUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), place(op, 3), place(op, 4), place(op, 5), place(op, 6), scratch,
    );
  else if (code == 6)
    poolForwardUnit(
      unit, whole(op, 0), whole(op, 1), place(op, 2), place(op, 3), place(op, 4), place(op, 5), place(op, 6),
    );
  else if (code == 7)
    poolBackwardUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), place(op, 3), place(op, 4), place(op, 5), place(op, 6),
      place(op, 7),
    );
  else if (code == 8)
    planesToRowsUnit(unit, whole(op, 0), whole(op, 1), place(op, 2), place(op, 3), place(op, 4));
  else rowsToPlanesUnit(unit, whole(op, 0), whole(op, 1), place(op, 2), place(op, 3), place(op, 4));
}

function packUnit(code: i32, op: usize): void {
  if (code == 10) packConv(place(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), place(op, 4));
  else if (code == 11)
    packConvBack(place(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), whole(op, 4), place(op, 5));
  else if (code == 12)
    unpackConv(place(op, 0), place(op, 1), whole(op, 2), whole(op, 3), whole(op, 4), place(op, 5));
  else if (code == 13) packUp(place(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), place(op, 4));
  else if (code == 14) packUpBack(place(op, 0), whole(op, 1), whole(op, 2), place(op, 3));
  else if (code == 15) unpackUp(place(op, 0), place(op, 1), whole(op, 2), whole(op, 3), place(op, 4));
  else if (code == 16) packPoint(place(op, 0), whole(op, 1), whole(op, 2), whole(op, 3) != 0, place(op, 4));
  else if (code == 17) unpackPoint(place(op, 0), place(op, 1), whole(op, 2), whole(op, 3), place(op, 4));
  else padBias(place(op, 0), whole(op, 1), place(op, 2));
}

/** Does a unit of a phase, whose first op is at `ops`. */
export function runUnit(ops: usize, unit: i32, scratch: usize): void {
  let op = ops;
  let left = unit;
  for (let units = load<i32>(op, unitsAt); left >= units; units = load<i32>(op, unitsAt)) {
    left -= units;
    op += opBytes;
  }
  const code = load<i32>(op);
  if (code < 3) matrixUnit(code, op, left, scratch);
  else if (code < 10) rowsUnit(code, op, left, scratch);
  else packUnit(code, op);
}
