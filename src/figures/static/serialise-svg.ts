import { coversText, fontFamily } from './figure-font.js';
import { textLength } from './svg-boxes.js';

const escapes: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\t': '&#x9;',
  '\n': '&#xA;',
  '\r': '&#xD;',
};

/** What XML cannot hold, such as control characters, is shown as a character that is not known. */
const inXml = (text: string): string =>
  text.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd');

const textXml = (text: string): string => inXml(text).replace(/[&<>]/g, (sign) => escapes[sign]);

const attributeXml = (value: string): string =>
  inXml(value).replace(/[&<>"\t\n\r]/g, (sign) => escapes[sign]);

/** The properties of a style that have a value. */
const propertiesOf = (style: string): Map<string, string> =>
  new Map(
    style
      .split(';')
      .map((property): [string, string] => {
        const colon = property.indexOf(':');
        return [property.slice(0, colon).trim(), property.slice(colon + 1).trim()];
      })
      .filter(([name, value]) => name !== '' && value !== ''),
  );

/** An element's attributes in the order in which they were set: linkedom has the newest first, and drops prefixes. */
const attributesOf = (element: Element): Map<string, string> =>
  new Map(
    Array.from(element.attributes, ({ name, value }): [string, string] => [
      name === 'href' ? 'xlink:href' : name,
      value,
    ]).reverse(),
  );

const isText = ({ nodeType }: Node): boolean => nodeType === 3;

/**
 * Makes a drawing independent of its viewer: text names the font it was measured in, and `textLength` keeps its width where
 * that font is missing.
 */
const finish = (element: Element, attributes: Map<string, string>, style: Map<string, string>): void => {
  const name = element.localName;
  if (name !== 'svg') attributes.delete('xmlns');
  if (name === 'text') style.set('font-family', fontFamily.replaceAll("'", '"'));
  if (name === 'image') style.set('image-rendering', 'pixelated');
  const isLine =
    (name === 'tspan' && element.classList.contains('line')) ||
    (name === 'text' && element.querySelector('tspan.line') === null);
  const length = isLine ? textLength(element) : 0;
  if (length > 0 && coversText(element.textContent ?? '')) {
    attributes.set('textLength', length.toFixed(2));
    attributes.set('lengthAdjust', 'spacingAndGlyphs');
  }
};

const nodeXml = (node: Node): string => {
  if (isText(node)) return textXml(node.nodeValue ?? '');
  if (node.nodeType !== 1) return '';
  const element = node as Element;
  const attributes = attributesOf(element);
  const style = propertiesOf(attributes.get('style') ?? '');
  finish(element, attributes, style);
  if (style.size > 0)
    attributes.set('style', [...style].map(([property, value]) => `${property}: ${value};`).join(' '));
  else attributes.delete('style');
  const written = [...attributes].map(([name, value]) => ` ${name}="${attributeXml(value)}"`).join('');
  const content = Array.from(element.childNodes, nodeXml).join('');
  return content === ''
    ? `<${element.localName}${written}/>`
    : `<${element.localName}${written}>${content}</${element.localName}>`;
};

/** A drawing as the text of an SVG file that looks the same in every viewer; `title` is its accessible name. */
export const serialiseSvg = (root: Element, title: string): string => {
  root.removeAttribute('style');
  root.setAttribute('role', 'img');
  root.setAttribute('aria-label', title);
  return nodeXml(root);
};
