import type { Fields } from './wire.js';

/** Forms of one output by mime type: text, base64 of an image, or JSON. */
export type MimeBundle = Record<string, unknown>;

/** What a kernel offers to the code that its cells run. */
export interface KernelOutput {
  /** Shows a bundle now; with `update` it replaces what was shown under `displayId`. */
  show: (data: MimeBundle, options?: { metadata?: Fields; displayId?: string; update?: boolean }) => void;
  /** Keeps the place of an output that is not ready yet: whatever is printed meanwhile comes after it. */
  later: (data: Promise<MimeBundle>) => Promise<void>;
  /** Aborted when the running cell is interrupted; a fresh one for each cell. */
  signal: () => AbortSignal;
  /** Does somebody work in the notebook, as in JupyterLab and VS Code, or does a program run it (nbconvert, `notebook run`)? */
  isWatched: () => boolean;
}

const place = Symbol.for('bandalign.kernel');
const holder = globalThis as { [place]?: KernelOutput };

/** The kernel that runs this code, if one does. A global symbol, as a kernel and a notebook may load different copies. */
export const kernelOutput = (): KernelOutput | undefined => holder[place];

export const provideKernelOutput = (output: KernelOutput): void => {
  holder[place] = output;
};
