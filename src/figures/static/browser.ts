import { accessSync, constants } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { bytesOfDataUrl, type ImageRequest } from './image-request.js';

const require = createRequire(import.meta.url);

/** The file of plotly.js that draws every figure of this package. */
export const plotlyScript = (): string => require.resolve('plotly.js-dist-min/plotly.min.js');

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

/** A Chromium on this machine: BANDALIGN_CHROMIUM (empty: none), one on the PATH, one in its usual place. */
export const findChromium = (): string | undefined => {
  const set = process.env['BANDALIGN_CHROMIUM'];
  if (set !== undefined) return set !== '' && isExecutable(set) ? set : undefined;
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(Boolean);
  return [...folders.flatMap((folder) => names.map((name) => join(folder, name))), ...places].find(
    isExecutable,
  );
};

/** Software rendering, so that WebGL draws the same on every machine; nothing that would look for a network. */
export const chromiumFlags = [
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

/** A page that has plotly loaded. */
export interface BrowserRenderer {
  render: (figure: object, request: ImageRequest) => Promise<Uint8Array>;
  close: () => Promise<void>;
}

interface PlotlyWindow {
  Plotly: {
    toImage: (figure: object, options: object) => Promise<string>;
  };
}

/** Starts Chromium and loads plotly into a blank page without a network. Throws when either fails. */
export const startBrowser = async (executablePath: string): Promise<BrowserRenderer> => {
  const { chromium } = await import('playwright-core');
  const browser: Browser = await chromium.launch({
    executablePath,
    args: chromiumFlags,
    headless: true,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    timeout: 30_000,
  });
  const context = await browser.newContext({ offline: true, deviceScaleFactor: 1 });
  const page: Page = await context.newPage();
  await page.setContent('<!doctype html><meta charset="utf-8"><body></body>');
  await page.addScriptTag({ path: plotlyScript() });
  return {
    render: async (figure, request) => {
      const url = await page.evaluate(
        ([drawn, options]) => (globalThis as unknown as PlotlyWindow).Plotly.toImage(drawn, options),
        [figure, request] as const,
      );
      return bytesOfDataUrl(url);
    },
    close: () => browser.close(),
  };
};
