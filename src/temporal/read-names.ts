import type { Acquisition, Catalog } from './acquisition.js';
import type { ReadContext } from './fields.js';
import { foreignSensor, productNameForms, readProductName } from './product-names.js';

/**
 * Reads acquisitions from product names, one a line; empty lines and lines that begin with `#` are skipped.
 * Names carry no cloud: each counts as clear, which a note says. Faults have their line.
 */
export const readNames = (text: string, file: string, context: ReadContext): Catalog => {
  const acquisitions: Acquisition[] = [];
  let names = 0;
  text.split(/\r\n|\n|\r/).forEach((line, index) => {
    if (line.trim() === '' || line.startsWith('#')) return;
    names += 1;
    const named = readProductName(line);
    const foreign = named === null ? foreignSensor(line) : null;
    if (foreign !== null) context.others?.set(foreign, (context.others.get(foreign) ?? 0) + 1);
    else if (named === null)
      context.faults.push(
        `${file} line ${index + 1}: product name ${line.trim()} is unknown; known forms are ${productNameForms.join(', ')}`,
      );
    else if (typeof named === 'string') context.faults.push(`${file} line ${index + 1}: ${named}`);
    else acquisitions.push(named);
  });
  if (names === 0)
    context.faults.push(`${file}: the catalog holds no items; give one with at least one acquisition`);
  const notes =
    acquisitions.length > 0
      ? [`${file}: product names tell no cloud; all ${acquisitions.length} images count as clear`]
      : [];
  return { acquisitions, outlines: new Map(), simulated: false, notes };
};
