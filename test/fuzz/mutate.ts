import type { Random } from '../../src/config/random.js';

/** Numbers that counts, sizes and offsets break at. */
const odd = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** A file with one to four small changes: flipped bits, odd numbers, pieces cut, doubled, moved or made random. */
export const mutate = (seed: Buffer, { integer }: Random): Buffer => {
  let bytes = Buffer.from(seed);
  for (let change = 0, changes = 1 + integer(4); change < changes && bytes.length > 8; change++) {
    // headers and directories stand at the start and the end
    const near = [bytes.length, Math.min(bytes.length, 256), 0][integer(3)];
    const at = near > 0 ? integer(near) : bytes.length - 1 - integer(Math.min(bytes.length, 256));
    const length = Math.min(1 + integer(16), bytes.length - at);
    switch (integer(6)) {
      case 0:
        bytes[at] ^= 1 << integer(8);
        break;
      case 1: {
        const width = Math.min([1, 2, 4][integer(3)], bytes.length - at);
        const value = odd[integer(odd.length)] % 2 ** (8 * width);
        if (integer(2) === 0) bytes.writeUIntLE(value, at, width);
        else bytes.writeUIntBE(value, at, width);
        break;
      }
      case 2:
        bytes =
          integer(4) === 0
            ? bytes.subarray(0, at)
            : Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
        break;
      case 4:
        bytes.copyWithin(integer(bytes.length), at, at + length);
        break;
      default:
        for (let k = at; k < at + length; k++) bytes[k] = integer(256);
    }
  }
  return bytes;
};
