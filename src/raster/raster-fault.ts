import { Fault } from '../fault.js';

/** What is wrong with a raster file, and what to do about it. */
export const rasterFault = (path: string, problem: string, advice: string): Fault =>
  new Fault(`raster: ${path}; ${problem}, ${advice}`);

/** A file whose bytes are not what they should be. */
export const damaged = (path: string, problem: string): Fault =>
  rasterFault(path, problem, 'fetch or write it again');
