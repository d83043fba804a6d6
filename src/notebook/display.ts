import type { MimeBundle } from './kernel-output.js';
export const bundleOf = (_value: unknown): MimeBundle | Promise<MimeBundle> | undefined => undefined;
