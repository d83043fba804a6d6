import { lineExtent, textWidth } from './figure-font.js';

/** A rectangle in the coordinates of some element. */
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** a b c d e f of `matrix(…)`, as SVG numbers them. */
type Matrix = readonly [number, number, number, number, number, number];

const product = (m: Matrix, n: Matrix): Matrix => [
  m[0] * n[0] + m[2] * n[1],
  m[1] * n[0] + m[3] * n[1],
  m[0] * n[2] + m[2] * n[3],
  m[1] * n[2] + m[3] * n[3],
  m[0] * n[4] + m[2] * n[5] + m[4],
  m[1] * n[4] + m[3] * n[5] + m[5],
];

const unchanged: Matrix = [1, 0, 0, 1, 0, 0];

const matrixOf = (name: string, values: readonly number[]): Matrix => {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = values;
  if (name === 'translate') return [1, 0, 0, 1, a, b];
  if (name === 'scale') return [a, 0, 0, values.length > 1 ? b : a, 0, 0];
  if (name === 'matrix') return [a, b, c, d, e, f];
  if (name !== 'rotate') return unchanged;
  const [cos, sin] = [Math.cos((a * Math.PI) / 180), Math.sin((a * Math.PI) / 180)];
  return product(product([1, 0, 0, 1, b, c], [cos, sin, -sin, cos, 0, 0]), [1, 0, 0, 1, -b, -c]);
};

const transformOf = (element: Element): Matrix =>
  [...(element.getAttribute('transform') ?? '').matchAll(/(\w+)\(([^)]*)\)/g)].reduce<Matrix>(
    (sum, [, name, values]) =>
      product(
        sum,
        matrixOf(
          name,
          values
            .trim()
            .split(/[\s,]+/)
            .filter(Boolean)
            .map(Number),
        ),
      ),
    unchanged,
  );

const through = ([a, b, c, d, e, f]: Matrix, { left, top, right, bottom }: Box): Box => {
  const corners = [left, right].flatMap((x) =>
    [top, bottom].map((y) => [a * x + c * y + e, b * x + d * y + f]),
  );
  const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
  return { left: Math.min(...xs), top: Math.min(...ys), right: Math.max(...xs), bottom: Math.max(...ys) };
};

const union = (boxes: readonly (Box | null)[]): Box | null =>
  boxes.reduce(
    (sum, box) =>
      sum && box
        ? {
            left: Math.min(sum.left, box.left),
            top: Math.min(sum.top, box.top),
            right: Math.max(sum.right, box.right),
            bottom: Math.max(sum.bottom, box.bottom),
          }
        : (sum ?? box),
    null,
  );

/** An inherited property, from style or attribute. */
const property = (element: Element | null, name: string): string => {
  for (let at = element; at; at = at.parentElement) {
    const style = (at as Partial<SVGElement>).style?.getPropertyValue(name);
    const value = style || at.getAttribute(name);
    if (value) return value;
  }
  return '';
};

const fontSize = (element: Element | null): number => {
  if (!element) return 16;
  const value =
    (element as Partial<SVGElement>).style?.getPropertyValue('font-size') ||
    element.getAttribute('font-size');
  if (!value) return fontSize(element.parentElement);
  const size = Number.parseFloat(value);
  if (value.endsWith('%')) return (size / 100) * fontSize(element.parentElement);
  return value.endsWith('em') ? size * fontSize(element.parentElement) : size;
};

const isBold = (weight: string): boolean => weight === 'bold' || Number.parseFloat(weight) >= 600;

/** A text chunk in the sense of SVG: placed as a whole by `text-anchor`. */
interface Line {
  x: number;
  y: number;
  width: number;
  anchor: string;
  /** Extent above and below `y`. */
  above: number;
  below: number;
}

const length = (value: string | null, size: number): number => {
  const number = Number.parseFloat(value ?? '');
  return Number.isFinite(number) ? number * (value?.endsWith('em') ? size : 1) : 0;
};

/** The lines of a text element, from its attributes and those of its tspans. */
const linesOf = (text: Element): Line[] => {
  const lines: Line[] = [];
  let dropped = 0; // sum of `dy` since the start of the line
  const walk = (element: Element): void => {
    const size = fontSize(element);
    const [x, y] = [element.getAttribute('x'), element.getAttribute('y')];
    const last = lines.at(-1);
    if (!last || x !== null || y !== null) {
      lines.push({
        x: length(x, size) || (x === null ? (last?.x ?? 0) : 0),
        y: length(y, size) || (y === null ? (last?.y ?? 0) : 0),
        width: 0,
        anchor: property(element, 'text-anchor'),
        above: 0,
        below: 0,
      });
      dropped = 0;
    }
    dropped += length(element.getAttribute('dy'), size);
    for (const child of element.childNodes) {
      if (child.nodeType === 1) walk(child as Element);
      else if (child.nodeType === 3 && child.nodeValue) {
        const line = lines.at(-1)!;
        const { above, below } = lineExtent(size);
        line.width += textWidth(child.nodeValue, size, {
          bold: isBold(property(element, 'font-weight')),
          italic: /italic|oblique/.test(property(element, 'font-style')),
        });
        line.above = Math.max(line.above, above - dropped);
        line.below = Math.max(line.below, below + dropped);
      }
    }
  };
  walk(text);
  return lines.filter(({ width }) => width > 0);
};

const lineBox = ({ x, y, width, anchor, above, below }: Line): Box => {
  const left = anchor === 'middle' ? x - width / 2 : anchor === 'end' ? x - width : x;
  return { left, top: y - above, right: left + width, bottom: y + below };
};

/** Width of a text or tspan. */
export const textLength = (element: Element): number =>
  Math.max(0, ...linesOf(element).map(({ width }) => width));

const unseen = new Set(['defs', 'clipPath', 'style', 'title', 'desc', 'metadata']);

/**
 * Bounding box of an SVG element in its own coordinates; null if empty. Only text, rectangles and images count, which is
 * enough for plotly.
 */
export const boxOf = (element: Element): Box | null => {
  const name = element.tagName;
  if (unseen.has(name)) return null;
  if (name === 'text' || name === 'tspan') return union(linesOf(element).map(lineBox));
  if (name === 'rect' || name === 'image') {
    const [x, y, width, height] = ['x', 'y', 'width', 'height'].map((key) =>
      length(element.getAttribute(key), 1),
    );
    return { left: x, top: y, right: x + width, bottom: y + height };
  }
  return union(
    [...element.children].map((child) => {
      const box = boxOf(child);
      return box && through(transformOf(child), box);
    }),
  );
};

/** Bounding box of an SVG element on its drawing; an empty element has the size 0 at its origin. */
export const boxOnDrawing = (element: Element): Box => {
  let matrix = unchanged;
  for (let at: Element | null = element; at && at.tagName !== 'svg'; at = at.parentElement)
    matrix = product(transformOf(at), matrix);
  return through(matrix, boxOf(element) ?? { left: 0, top: 0, right: 0, bottom: 0 });
};
