import { open } from 'node:fs/promises';
import { Fault } from '../fault.js';

/** A stack of masks in NumPy's format: axis 0 is time; (time, row, column) or (time, row, column, 1). */
export interface NpyStack {
  count: number;
  height: number;
  width: number;
  /** The values of one time, row by row. */
  read: (index: number) => Promise<Uint8Array>;
}

/**
 * Opens a .npy file (format 1 to 3) of bytes or booleans in C order. Only the asked slice is read.
 * @throws Fault for another type, order or shape, and for a file that is cut short
 */
export const openNpy = async (path: string): Promise<NpyStack> => {
  const file = await open(path).catch(() => {
    throw new Fault(`mask: ${path}; no such file`);
  });
  try {
    const { size } = await file.stat();
    const start = Buffer.alloc(12);
    await file.read(start, 0, 12, 0);
    if (start.subarray(0, 6).toString('latin1') !== '\x93NUMPY')
      throw new Fault(`mask: ${path}; not a NumPy file`);
    const wide = start[6] > 1;
    const length = wide ? start.readUInt32LE(8) : start.readUInt16LE(8);
    const offset = (wide ? 12 : 10) + length;
    if (length > 65_536 || offset > size)
      throw new Fault(`mask: ${path}; a header of ${length} bytes in a file of ${size}: it is damaged`);
    const header = Buffer.alloc(length);
    await file.read(header, 0, header.length, wide ? 12 : 10);
    const text = header.toString('latin1');
    const type = /'descr':\s*'([^']*)'/.exec(text)?.[1] ?? '';
    const shape = (/'shape':\s*\(([^)]*)\)/.exec(text)?.[1] ?? '')
      .split(',')
      .filter((part) => part.trim() !== '')
      .map(Number);
    const faults: string[] = [];
    for (const key of ['descr', 'fortran_order', 'shape'])
      if (text.split(`'${key}'`).length !== 2)
        faults.push(
          `mask: ${path}; its header names ${key} ${text.split(`'${key}'`).length - 1} times, not once`,
        );
    if (!/^[|<>=]?(u1|b1|i1|\?)$/.test(type))
      faults.push(`mask: ${path}; type ${type}, give bytes or booleans`);
    if (/'fortran_order':\s*True/.test(text)) faults.push(`mask: ${path}; Fortran order, save it in C order`);
    const flat = shape.length === 4 && shape[3] === 1 ? shape.slice(0, 3) : shape;
    if (flat.length !== 3 || !flat.every((extent) => Number.isInteger(extent) && extent > 0))
      faults.push(`mask: ${path}; shape (${shape.join(', ')}), give (time, row, column)`);
    const [count, height, width] = flat;
    if (faults.length === 0 && size < offset + count * height * width)
      faults.push(`mask: ${path}; cut short, ${size} of ${offset + count * height * width} bytes`);
    if (faults.length > 0) throw new Fault(faults);
    return {
      count,
      height,
      width,
      read: async (index) => {
        const slice = new Uint8Array(height * width);
        const again = await open(path);
        try {
          const { bytesRead } = await again.read(slice, 0, slice.length, offset + index * slice.length);
          if (bytesRead < slice.length) throw new Fault(`mask: ${path}; cut short at time ${index}`);
          return slice;
        } finally {
          await again.close();
        }
      },
    };
  } finally {
    await file.close();
  }
};
