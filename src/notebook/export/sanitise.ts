import sanitizeHtml from 'sanitize-html';

const attributes = ['class', 'style', 'title', 'id', 'align', 'role', 'aria-label', 'lang', 'dir'];

/** How addresses in a notebook's HTML are taken into the page. */
export interface Addresses {
  /** The `data:` address of an image; undefined where the page cannot have it. */
  image?: (source: string) => string | undefined;
  /** Where a link leads from the page. */
  link?: (address: string) => string;
}

/** What stands for an image that a page cannot have: its text, else its file's name. */
export const missingImage = (alt: string, source: string): string => {
  const name = source.startsWith('data:')
    ? ''
    : source
        .replace(/[?#].*$/s, '')
        .split('/')
        .pop();
  return `[image not shown: ${alt.trim() || name || 'no name'}]`;
};

/**
 * HTML of a notebook without anything that runs or loads: no scripts, no handlers, no `meta`, `base`, forms or frames,
 * images only as data; a note stands for an image that is not to be had. (An exported page also carries a policy that
 * forbids scripts and requests.)
 */
export const sanitise = (html: string, { image, link }: Addresses = {}): string =>
  sanitizeHtml(html, {
    allowedTags: [
      ...sanitizeHtml.defaults.allowedTags,
      ...['img', 'details', 'summary', 'progress', 'meter', 'del', 'ins', 'figure', 'figcaption', 'picture'],
    ],
    allowedAttributes: {
      '*': attributes,
      a: ['href', 'name', 'rel'],
      img: ['src', 'alt', 'width', 'height'],
      th: ['scope', 'colspan', 'rowspan'],
      td: ['colspan', 'rowspan'],
      table: ['border'],
      progress: ['value', 'max'],
      meter: ['value', 'min', 'max', 'low', 'high', 'optimum'],
      details: ['open'],
      ol: ['start', 'type'],
      span: ['data-math'],
      div: ['data-math'],
    },
    allowedSchemes: ['http', 'https', 'mailto'],
    allowedSchemesByTag: { img: ['data'] },
    allowProtocolRelative: false,
    parseStyleAttributes: false,
    transformTags: {
      a: (tagName, attribs) => ({
        tagName,
        attribs: attribs['href'] && link ? { ...attribs, href: link(attribs['href']) } : attribs,
      }),
      img: (tagName, attribs): sanitizeHtml.Tag => {
        const { src = '', alt = '' } = attribs;
        const found = image ? image(src) : src.startsWith('data:image/') ? src : undefined;
        return found === undefined
          ? { tagName: 'span', attribs: { class: 'note' }, text: missingImage(alt, src) }
          : { tagName, attribs: { ...attribs, src: found } };
      },
    },
  });
