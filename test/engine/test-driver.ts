/** Milliseconds between two questions of Dawn whether the device is done. */
const pollEvery = 2;

/** Points Vulkan to the driver that test/services/webgpu.sh brought; before the first use of WebGPU in a process. */
export const useTestDriver = (): void => {
  const driver = process.env['BANDALIGN_TEST_WEBGPU'];
  if (!driver) return;
  process.env['VK_ICD_FILENAMES'] = driver;
  // Dawn asks at every turn of the event loop, which takes as much of the CPU as the driver that computes on it
  globalThis.setImmediate = ((work: (...words: unknown[]) => void, ...words: unknown[]) =>
    setTimeout(work, pollEvery, ...words)) as unknown as typeof setImmediate;
};
