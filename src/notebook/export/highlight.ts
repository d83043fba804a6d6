import hljs from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import json from 'highlight.js/lib/languages/json';
import python from 'highlight.js/lib/languages/python';
import typescript from 'highlight.js/lib/languages/typescript';
import { escapeHtml } from '../data-table.js';

const known = {
  typescript,
  ts: typescript,
  javascript: typescript,
  js: typescript,
  json,
  bash,
  sh: bash,
  python,
};
for (const [name, grammar] of Object.entries(known)) hljs.registerLanguage(name, grammar);

/** Code as HTML with the classes of highlight.js; plain where its language is not known. */
export const highlight = (code: string, language: string): string =>
  hljs.getLanguage(language)
    ? hljs.highlight(code, { language, ignoreIllegals: true }).value
    : escapeHtml(code);
