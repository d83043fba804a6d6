/** Name of the file that marks a folder as a synthetic dataset and holds what it was drawn with. */
export const syntheticMarker = 'SYNTHETIC.json';
