/** A backend that is registered with TensorFlow.js and may be set. */
export interface Loaded {
  /** Version of the package, and of what lies under it. */
  version: string;
  /** The hardware, in the driver's words. */
  device: string;
  /** Whether it computes on a graphics card (or a drop-in for one). */
  isGpu: boolean;
}
