/**
 * A pass through the UNet is a program: phases one after the other, each of ops whose units may be done in any order by
 * any thread. The host writes it once (src/engine/cpu/unet.ts).
 */
import { argumentsAt, firstUnitAt, followersAt, numbersAt, opBytes, UnetOp, unitsAt } from '../src/engine/abi';
import { crossUnit, packLeftUnit, productUnit } from './matrix';
import {
  filteredCrossUnit,
  filteredProductUnit,
  filterRowsUnit,
  filterWeightsBackUnit,
  filterWeightsUnit,
} from './minimal-filtering';
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
import { adamUnit, statisticsErrorUnit } from './statistics-step';

@inline function whole(op: usize, index: usize): i32 { return load<i32>(op + argumentsAt + (index << 2)); }
@inline function address(op: usize, index: usize): usize { return <usize>load<u32>(op + argumentsAt + (index << 2)); }
@inline function real(op: usize, index: usize): f64 { return load<f64>(op + numbersAt + (index << 3)); }

function matrixUnit(code: i32, op: usize, unit: i32, scratch: usize): void {
  if (code == UnetOp.product)
    productUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), address(op, 4), address(op, 5), address(op, 6),
      address(op, 7), address(op, 8), address(op, 9), address(op, 10), address(op, 11),
    );
  else if (code == UnetOp.cross)
    crossUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), address(op, 3), address(op, 4), address(op, 5), address(op, 6),
      address(op, 7), address(op, 8), address(op, 9), address(op, 10), address(op, 11), scratch,
    );
  else
    packLeftUnit(unit, whole(op, 0), whole(op, 1), address(op, 2), address(op, 3), address(op, 4), address(op, 5));
}

function filterUnit(code: i32, op: usize, unit: i32, scratch: usize): void {
  if (code == UnetOp.filteredProduct)
    filteredProductUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), whole(op, 4), address(op, 5), address(op, 6),
      address(op, 7), address(op, 8), address(op, 9), address(op, 10), address(op, 11), address(op, 12), scratch,
    );
  else if (code == UnetOp.filteredCross)
    filteredCrossUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), address(op, 3), address(op, 4), address(op, 5), address(op, 6),
      address(op, 7), address(op, 8), address(op, 9), scratch,
    );
  else if (code == UnetOp.filterRows)
    filterRowsUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), address(op, 4), address(op, 5), address(op, 6),
      address(op, 7), address(op, 8), address(op, 9),
    );
  else if (code == UnetOp.filterWeights) filterWeightsUnit(unit, address(op, 0), whole(op, 1), address(op, 2));
  else
    filterWeightsBackUnit(unit, address(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), address(op, 4));
}

function rowsUnit(code: i32, op: usize, unit: i32, scratch: usize): void {
  if (code == UnetOp.normForward)
    normForwardUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), whole(op, 4), whole(op, 5), address(op, 6),
      address(op, 7), address(op, 8), address(op, 9), address(op, 10), address(op, 11), address(op, 12), address(op, 13),
      address(op, 14), real(op, 0), real(op, 1), scratch,
    );
  else if (code == UnetOp.normBackward)
    normBackwardUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), whole(op, 4), whole(op, 5), address(op, 6),
      address(op, 7), address(op, 8), address(op, 9), address(op, 10), address(op, 11), address(op, 12), address(op, 13),
      address(op, 14), scratch,
    );
  else if (code == UnetOp.columnSums)
    columnSumsUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), address(op, 3), address(op, 4), address(op, 5), address(op, 6), scratch,
    );
  else if (code == UnetOp.poolForward)
    poolForwardUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), address(op, 4), address(op, 5), address(op, 6),
      address(op, 7), address(op, 8),
    );
  else if (code == UnetOp.poolBackward)
    poolBackwardUnit(
      unit, whole(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), whole(op, 4), address(op, 5), address(op, 6),
      address(op, 7), address(op, 8), address(op, 9),
    );
  else if (code == UnetOp.planesToRows)
    planesToRowsUnit(unit, whole(op, 0), whole(op, 1), address(op, 2), address(op, 3), address(op, 4), address(op, 5));
  else rowsToPlanesUnit(unit, whole(op, 0), whole(op, 1), address(op, 2), address(op, 3), address(op, 4));
}

function packUnit(code: i32, op: usize): void {
  if (code == UnetOp.packConv) packConv(address(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), address(op, 4));
  else if (code == UnetOp.packConvBack)
    packConvBack(address(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), whole(op, 4), address(op, 5));
  else if (code == UnetOp.unpackConv)
    unpackConv(address(op, 0), address(op, 1), whole(op, 2), whole(op, 3), whole(op, 4), address(op, 5));
  else if (code == UnetOp.packUp) packUp(address(op, 0), whole(op, 1), whole(op, 2), whole(op, 3), address(op, 4));
  else if (code == UnetOp.packUpBack) packUpBack(address(op, 0), whole(op, 1), whole(op, 2), address(op, 3));
  else if (code == UnetOp.unpackUp) unpackUp(address(op, 0), address(op, 1), whole(op, 2), whole(op, 3), address(op, 4));
  else if (code == UnetOp.packPoint) packPoint(address(op, 0), whole(op, 1), whole(op, 2), whole(op, 3) != 0, address(op, 4));
  else if (code == UnetOp.unpackPoint) unpackPoint(address(op, 0), address(op, 1), whole(op, 2), whole(op, 3), address(op, 4));
  else padBias(address(op, 0), whole(op, 1), address(op, 2));
}

function runOp(op: usize, unit: i32, scratch: usize): void {
  const code = load<i32>(op);
  if (code <= UnetOp.packLeft) matrixUnit(code, op, unit, scratch);
  else if (code <= UnetOp.filterWeightsBack) filterUnit(code, op, unit, scratch);
  else if (code <= UnetOp.rowsToPlanes) rowsUnit(code, op, unit, scratch);
  else if (code <= UnetOp.padBias) packUnit(code, op);
  else if (code == UnetOp.statisticsError) statisticsErrorUnit(unit, address(op, 0), scratch);
  else adamUnit(unit, address(op, 0));
}

/** Does a unit of a phase, whose first op is at `ops`, and what follows it. */
export function runUnit(ops: usize, unit: i32, scratch: usize): void {
  let op = ops;
  let left = unit;
  for (let units = load<i32>(op, unitsAt); left >= units; units = load<i32>(op, unitsAt)) {
    left -= units;
    op += opBytes * (1 + <usize>load<i32>(op, followersAt));
  }
  const own = load<i32>(op, firstUnitAt) + left;
  for (const end = op + opBytes * <usize>load<i32>(op, followersAt); op <= end; op += opBytes) runOp(op, own, scratch);
}
