/** Jupyter counts a cursor in code points, JavaScript in UTF-16 units. */
export const toUnits = (code: string, points: number): number =>
  Array.from(code).slice(0, points).join('').length;

export const toPoints = (code: string, units: number): number => Array.from(code.slice(0, units)).length;
