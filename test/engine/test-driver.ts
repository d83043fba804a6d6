/** Points Vulkan to the driver that test/services/webgpu.sh brought; before the first use of WebGPU in a process. */
export const useTestDriver = (): void => {
  const driver = process.env['BANDALIGN_TEST_WEBGPU'];
  if (driver) process.env['VK_ICD_FILENAMES'] = driver;
};
