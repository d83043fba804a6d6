export { countPixels, splitSums, valueRange } from './statistics';
