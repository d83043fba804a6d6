/** A parsed XML element or text. */
export type XmlNode = unknown;

/**
 * Parses XML without namespaces; attributes are keys that begin with @, text is `#text`.
 * @throws Error where it is not XML, or declares entities of its own
 */
export const parseXml = async (text: string): Promise<XmlNode> => {
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) throw new Error('it declares entities');
  // here, as most rasters have no XML
  const { XMLParser, XMLValidator } = await import('fast-xml-parser');
  const valid = XMLValidator.validate(text);
  if (valid !== true) {
    const { line, msg } = valid.err;
    if (text.trim() === '') throw new Error('it is empty');
    // the validator lists the elements that are still open
    throw new Error(
      msg.startsWith("Invalid '[") ? 'it ends too early' : `line ${line}: ${msg.replace(/\.$/, '')}`,
    );
  }
  const parser = new XMLParser({
    ignoreAttributes: false,
    attributeNamePrefix: '@',
    removeNSPrefix: true,
    parseTagValue: false,
    parseAttributeValue: false,
  });
  return parser.parse(text) as XmlNode;
};

/** Every element called `name`, however deep. */
export const elements = (node: XmlNode, name: string): XmlNode[] =>
  Array.isArray(node)
    ? node.flatMap((child) => elements(child, name))
    : node !== null && typeof node === 'object'
      ? Object.entries(node).flatMap(([key, child]) =>
          key === name ? (Array.isArray(child) ? child : [child]) : elements(child, name),
        )
      : [];

/** The direct children of an element called `name`. */
export const children = (node: XmlNode, name: string): XmlNode[] => {
  const found = node !== null && typeof node === 'object' ? (node as Record<string, XmlNode>)[name] : [];
  return found === undefined ? [] : Array.isArray(found) ? found : [found];
};

export const textOf = (node: XmlNode): string | null => {
  if (typeof node === 'string') return node.trim();
  if (node !== null && typeof node === 'object' && '#text' in node) return String(node['#text']).trim();
  return null;
};

export const attribute = (node: XmlNode, name: string): string | null =>
  node !== null && typeof node === 'object' ? textOf((node as Record<string, XmlNode>)[`@${name}`]) : null;
