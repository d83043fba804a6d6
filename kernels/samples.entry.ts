export { splitFour, packFour } from './four-bands';
export { countCodes, countMaskedCodes, readTable } from './codes';
export { halve } from './halve';
