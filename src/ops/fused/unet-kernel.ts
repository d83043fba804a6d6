/** Exports of kernels/unet.entry.ts; addresses and strides in bytes. */
export interface UnetKernel {
  product(
    samples: number,
    rows: number,
    k: number,
    n: number,
    a: number,
    aRow: number,
    aSample: number,
    panels: number,
    bias: number,
    out: number,
    outRow: number,
    outSample: number,
  ): void;
  crossProduct(
    samples: number,
    rows: number,
    m: number,
    n: number,
    left: number,
    leftRow: number,
    leftSample: number,
    right: number,
    rightRow: number,
    rightSample: number,
    out: number,
    outRow: number,
    scratch: number,
  ): void;
  columnSums(
    samples: number,
    rows: number,
    channels: number,
    x: number,
    row: number,
    sample: number,
    out: number,
    sums: number,
  ): void;
  normForward(
    kind: number,
    samples: number,
    rows: number,
    channels: number,
    groups: number,
    y: number,
    out: number,
    outRow: number,
    outSample: number,
    gamma: number,
    beta: number,
    running: number,
    moved: number,
    stats: number,
    sums: number,
    epsilon: number,
    momentum: number,
  ): void;
  normBackward(
    kind: number,
    samples: number,
    rows: number,
    channels: number,
    groups: number,
    y: number,
    dout: number,
    dy: number,
    dySample: number,
    gamma: number,
    stats: number,
    dgamma: number,
    dbeta: number,
    dbias: number,
    sums: number,
  ): void;
  poolForward(
    samples: number,
    rows: number,
    channels4: number,
    x: number,
    xRow: number,
    xSample: number,
    out: number,
    outSample: number,
  ): void;
  poolBackward(
    samples: number,
    rows: number,
    rowsBefore: number,
    channels4: number,
    x: number,
    xRow: number,
    xSample: number,
    dout: number,
    dx: number,
  ): void;
  packConv(weight: number, output: number, input: number, halves: number, panels: number): void;
  packConvBack(
    weight: number,
    output: number,
    input: number,
    halves: number,
    half: number,
    panels: number,
  ): void;
  unpackConv(
    gradient: number,
    row: number,
    output: number,
    input: number,
    halves: number,
    dweight: number,
  ): void;
  packUp(weight: number, input: number, output: number, tap: number, panels: number): void;
  packUpBack(weight: number, input: number, output: number, panels: number): void;
  unpackUp(gradient: number, row: number, input: number, output: number, dweight: number): void;
  packPoint(weight: number, output: number, input: number, back: number, panels: number): void;
  unpackPoint(gradient: number, row: number, output: number, input: number, dweight: number): void;
  planesToRows(
    samples: number,
    channels: number,
    rows: number,
    planes: number,
    out: number,
    sample: number,
  ): void;
  rowsToPlanes(
    samples: number,
    channels: number,
    rows: number,
    x: number,
    sample: number,
    planes: number,
  ): void;
}

/** How a norm gets its statistics, as kernels/norm.ts numbers it. */
export const normKind = { batch: 0, running: 1, group: 2 } as const;
export type NormKind = (typeof normKind)[keyof typeof normKind];
