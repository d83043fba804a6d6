import { escapeHtml } from '../page.js';
import { type ExplorerData, explorerCounts } from './explorer-counts.js';
import { explorerScript } from './explorer-script.js';
import { explorerStyle } from './explorer-style.js';

/** The type under which a notebook keeps {@link ExplorerData}, so that an exported page can draw it anew. */
export const explorerMime = 'application/vnd.bandalign.explorer+json';

const isNumbers = (value: unknown): boolean =>
  Array.isArray(value) && value.every((one) => typeof one === 'number');

/** True for a list of at least `least` records that all satisfy `each`. */
const isListOf = (
  value: unknown,
  least: number,
  each: (record: Record<string, unknown>) => boolean,
): value is unknown[] =>
  Array.isArray(value) &&
  value.length >= least &&
  value.every((one) => typeof one === 'object' && one !== null && each(one as Record<string, unknown>));

/** True for what the explorer can draw: a notebook may hold anything under its type. */
export const isExplorerData = (value: unknown): value is ExplorerData => {
  if (typeof value !== 'object' || value === null) return false;
  const { title, from, to, threshold, sensors, periods, tiles, notes } = value as Record<string, unknown>;
  return (
    typeof title === 'string' &&
    isNumbers([from, to, threshold]) &&
    (to as number) - (from as number) < 200_000 &&
    Array.isArray(notes) &&
    notes.every((note) => typeof note === 'string') &&
    isListOf(
      sensors,
      1,
      ({ name, colour }) => typeof name === 'string' && /^#[0-9a-f]{6}$/i.test(String(colour)),
    ) &&
    isListOf(periods, 0, (one) => typeof one['name'] === 'string' && isNumbers([one['from'], one['to']])) &&
    isListOf(
      tiles,
      1,
      ({ name, outline, days, clear }) =>
        typeof name === 'string' &&
        (outline === null || (Array.isArray(outline) && outline.every(isNumbers))) &&
        [days, clear].every(
          (list) => Array.isArray(list) && list.length === sensors.length && list.every(isNumbers),
        ),
    )
  );
};

/** JSON that may stand inside a script element. */
const scriptJson = (value: unknown): string =>
  JSON.stringify(value)
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');

/** The script of the explorer, for a page's policy and for notebooks: it brings every explorer of the page to life. */
export const explorerCode = (): string => `(() => {
  const explorerCounts = ${explorerCounts.toString()};
  const explorerScript = ${explorerScript.toString()};
  for (const place of document.querySelectorAll('[data-bandalign-explorer]:not([data-live])')) {
    const json = place.querySelector('script[type="application/json"]');
    if (!json) continue;
    place.dataset.live = 'yes';
    const data = JSON.parse(json.textContent);
    globalThis.bandalignExplorers = (globalThis.bandalignExplorers ?? 0) + 1;
    explorerScript(place, data, explorerCounts(data), 'explorer-' + globalThis.bandalignExplorers);
  }
})()`;

/**
 * The explorer as a piece of HTML that needs nothing beside it: map, calendar and histogram, linked, with controls.
 * It is dead until {@link explorerCode} runs; `still` (HTML) is seen until then, and where scripts are not run.
 */
export const explorerHtml = (data: ExplorerData, still = ''): string =>
  [
    `<div class="bandalign-explorer" data-bandalign-explorer role="group" aria-label="${escapeHtml(data.title)}">`,
    `<style>${explorerStyle}</style>`,
    `<script type="application/json">${scriptJson(data)}</script>`,
    `<div class="view">${still}</div>`,
    '</div>',
  ].join('\n');
