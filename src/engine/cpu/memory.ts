import { Fault } from '../../fault.js';
import { controlAt, controlBytes } from '../abi.js';

/** Where a kernel's own part of a shared memory begins: behind the control block. */
export const firstFree = controlAt + controlBytes;

/** 64 KiB pages of a shared memory at most; all of WebAssembly's 4 GiB where the host grants the addresses. */
const maxima = [65536, 32768, 8192];

/** A memory that threads may share. It grows in place. */
export const sharedMemory = (): WebAssembly.Memory => {
  let refusal: unknown;
  for (const maximum of maxima)
    try {
      return new WebAssembly.Memory({ initial: 1, maximum, shared: true });
    } catch (error) {
      refusal = error;
    }
  throw refusal;
};

/**
 * Makes the memory `bytes` long at least; views of a buffer taken before do not see what is added.
 *
 * @throws Fault with the words of `refusal` where it cannot be so long
 */
export const reserve = (memory: WebAssembly.Memory, bytes: number, refusal: string): void => {
  const missing = Math.ceil(bytes / 65536) - memory.buffer.byteLength / 65536;
  if (missing <= 0) return;
  try {
    memory.grow(missing);
  } catch {
    throw new Fault(refusal, 1);
  }
};
