/** A backend that is registered with TensorFlow.js and may be set. */
export interface Loaded {
  /** Version of the package, and of what lies under it. */
  version: string;
  /** The hardware, in the driver's words. */
  device: string;
  /** Whether it computes on a graphics card; a driver that imitates one on the CPU is none. */
  isGpu: boolean;
}
