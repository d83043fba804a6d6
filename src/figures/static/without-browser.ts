import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { buffer, text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { ImageRequest } from './image-request.js';

/** Traces that plotly draws as SVG alone. Others need a canvas or WebGL: under jsdom they come out empty or never. */
const drawable = new Set(['scatter', 'bar', 'histogram', 'box', 'violin', 'waterfall', 'funnel', 'pie']);
const patience = 60_000;

const require = createRequire(import.meta.url);

/** Why this figure cannot be drawn without a browser; undefined when it can. */
export const obstacleWithoutBrowser = (figure: { data: readonly object[] }): string | undefined => {
  const kinds = figure.data.map((trace) => String((trace as { type?: unknown }).type ?? 'scatter'));
  const others = [...new Set(kinds.filter((kind) => !drawable.has(kind)))];
  if (others.length > 0) return `${others.join(', ')} traces need Chromium`;
  for (const name of ['jsdom', '@resvg/resvg-js']) {
    try {
      require.resolve(name);
    } catch {
      return `neither Chromium nor ${name} is installed`;
    }
  }
  return undefined;
};

/** The compiled child, also when this file runs from its source. */
const childPath = (): string => {
  const beside = fileURLToPath(new URL('./jsdom-figure.js', import.meta.url));
  return existsSync(beside)
    ? beside
    : fileURLToPath(new URL('../../../dist/figures/static/jsdom-figure.js', import.meta.url));
};

/** Draws with jsdom and resvg in a process of its own, which is ended after a minute. */
export const renderWithoutBrowser = async (figure: object, request: ImageRequest): Promise<Uint8Array> => {
  const child = spawn(process.execPath, [childPath()], {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: patience,
  });
  child.stdin.on('error', () => {}); // a child that ended early says why below
  child.stdin.end(JSON.stringify({ figure, request }));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const [image, said, status] = await Promise.all([buffer(child.stdout), text(child.stderr), ended]);
  if (status !== 0)
    throw new Error(
      status === null ? `it took longer than ${patience / 1000} s` : (said.trim().split('\n').at(-1) ?? ''),
    );
  return image;
};
