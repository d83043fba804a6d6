import sanitizeHtml from 'sanitize-html';

const classes = ['class', 'style', 'title', 'id', 'align', 'role', 'aria-label', 'lang', 'dir'];

/**
 * HTML of a notebook without anything that runs or loads: no scripts, no handlers, no forms, no frames, images only
 * as data. (An exported page also carries a policy that forbids both.)
 */
export const sanitise = (html: string): string =>
  sanitizeHtml(html, {
    allowedTags: [
      ...sanitizeHtml.defaults.allowedTags,
      ...['img', 'details', 'summary', 'progress', 'meter', 'del', 'ins', 'figure', 'figcaption', 'picture'],
    ],
    allowedAttributes: {
      '*': classes,
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
  });
