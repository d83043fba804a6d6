import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'microsoft-edge'];
const places = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** A Chromium on this machine: BANDALIGN_TEST_CHROMIUM (empty: none), one on the PATH, one in its usual place. */
export const findChromium = (): string | undefined => {
  const set = process.env['BANDALIGN_TEST_CHROMIUM'];
  if (set !== undefined) return set !== '' && isExecutable(set) ? set : undefined;
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  return [...folders.flatMap((folder) => names.map((name) => join(folder, name))), ...places].find(
    isExecutable,
  );
};

/** Software rendering, so that WebGL draws the same on every machine; nothing that would look for a network. */
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-dev-shm-usage',
  '--force-color-profile=srgb',
  '--font-render-hinting=none',
  '--use-gl=angle',
  '--use-angle=swiftshader',
  '--enable-unsafe-swiftshader',
];

/** Starts the Chromium that {@link findChromium} found. */
export const startChromium = (): Promise<Browser> =>
  chromium.launch({ executablePath: findChromium(), args: flags });

/**
 * Text that does not lie on its figure, and text that lies over other text, as Chromium lays it out; a line for each.
 * Lines are taken as high as their letters, not as their line spacing.
 *
 * @param canvas selector of what holds a figure: an SVG element, or what plotly draws into
 */
export const textFaults = (page: Page, canvas: string): Promise<string[]> =>
  page.evaluate((selector) => {
    const found: string[] = [];
    for (const figure of document.querySelectorAll(selector)) {
      const area = figure.getBoundingClientRect();
      const texts = [...figure.querySelectorAll('text')].filter(
        (text) =>
          text.textContent?.trim() &&
          !text.closest('.modebar, .hoverlayer, .updatemenu-dropdown-button-group, defs') &&
          text.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
          Number(getComputedStyle(text).fillOpacity) > 0,
      );
      const lines = texts.flatMap((text) => {
        const spans = [...text.querySelectorAll('tspan.line')];
        return (spans.length > 0 ? spans : [text]).map((line) => {
          const { left, top, right, bottom } = line.getBoundingClientRect();
          const upright = bottom - top > 1.6 * (right - left) && (line.textContent?.length ?? 0) > 2;
          const [across, down] = [right - left, bottom - top];
          // ascent and descent of the letters: three quarters of the box
          const [dx, dy] = upright ? [across / 8, 0] : [0, down / 8];
          return {
            name: line.textContent ?? '',
            ...{ left: left + dx, right: right - dx, top: top + dy, bottom: bottom - dy },
          };
        });
      });
      const title = lines[0]?.name ?? '';
      const edge = 0.5;
      for (const { name, left, top, right, bottom } of lines)
        if (
          left < area.left - edge ||
          right > area.right + edge ||
          top < area.top - edge ||
          bottom > area.bottom + edge
        )
          found.push(`off the figure: ${name} (${title})`);
      lines.forEach((one, index) => {
        for (const other of lines.slice(index + 1)) {
          const across = Math.min(one.right, other.right) - Math.max(one.left, other.left);
          const down = Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top);
          if (across > edge && down > edge)
            found.push(`over each other: ${one.name} | ${other.name} (${title})`);
        }
      });
    }
    return found;
  }, canvas);
