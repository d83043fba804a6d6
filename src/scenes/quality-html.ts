import { escapeHtml } from '../figures/page.js';
import { bandLabel, okabeIto } from '../figures/theme.js';
import type { BandQuality, Quality } from './quality.js';

/** Geometry of a histogram, CSS pixels at full size. */
const [width, height, left, bottom] = [520, 200, 8, 40];
const colours = { before: okabeIto.blue, after: okabeIto.vermillion };

/** A histogram as a filled curve. */
const area = (shares: readonly number[], most: number, colour: string): string => {
  const points = shares.map((share, bin) => {
    const x = left + ((bin + 0.5) / shares.length) * (width - 2 * left);
    return `${x.toFixed(1)},${(height - bottom - (share / most) * (height - bottom - 6)).toFixed(1)}`;
  });
  const base = height - bottom;
  return `<polygon points="${left},${base} ${points.join(' ')} ${width - left},${base}" fill="${colour}" fill-opacity="0.35" stroke="${colour}"/>`;
};

const figure = ({ name, bandMax, histogramBefore, histogramAfter }: BandQuality): string => {
  const most = Math.max(1e-12, ...histogramBefore, ...histogramAfter);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const x = left + share * (width - 2 * left);
    const anchor = share === 0 ? 'start' : share === 1 ? 'end' : 'middle';
    return `<text x="${x}" y="${height - 24}" text-anchor="${anchor}">${Math.round(share * bandMax)}</text>`;
  });
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="histograms of ${escapeHtml(bandLabel(name))} before and after">
${area(histogramBefore, most, colours.before)}${area(histogramAfter, most, colours.after)}${ticks.join('')}<text x="${width / 2}" y="${height - 6}" text-anchor="middle">reflectance × 10⁴</text></svg>`;
};

const number = (value: number): string => (Number.isFinite(value) ? value.toFixed(0) : '–');
const percent = (value: number): string => (Number.isFinite(value) ? `${(100 * value).toFixed(2)} %` : '–');

const row = (band: BandQuality): string => {
  const { before, after, distance } = band;
  const cells = [
    escapeHtml(bandLabel(band.name)),
    percent(band.valid),
    percent(band.nodata),
    percent(band.masked),
    percent(before.below + before.above),
    `${number(before.mean)} → ${number(after.mean)}`,
    `${number(before.percentiles['p5'])}–${number(before.percentiles['p95'])} → ${number(after.percentiles['p5'])}–${number(after.percentiles['p95'])}`,
    distance ? `${number(distance.value)} (seen up to ${number(distance.largestSeen)})` : 'unknown',
    band.expectedError === null
      ? 'unknown'
      : number(band.expectedError) +
        (band.expectedRange ? ` (${band.expectedRange.map(number).join(' to ')})` : ''),
  ];
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
};

const heads = [
  'band',
  'valid',
  'nodata',
  'masked',
  'outside the LUT',
  'mean [× 10⁴]',
  '5–95 % [× 10⁴]',
  'distance to training',
  'expected RMSE [× 10⁴]',
];

/** A value of the record: lists a line each, a configuration folded away. */
const fact = (value: unknown): string => {
  if (value === null) return 'unknown';
  if (typeof value === 'string') return escapeHtml(value);
  if (Array.isArray(value)) return value.length === 0 ? 'none' : value.map(fact).join('<br>');
  if (typeof value !== 'object') return escapeHtml(JSON.stringify(value));
  const entries = Object.entries(value);
  if (entries.some(([, part]) => part !== null && typeof part === 'object'))
    return `<details><summary>all settings</summary><pre>${escapeHtml(JSON.stringify(value, null, 2))}</pre></details>`;
  return entries.map(([key, part]) => `${escapeHtml(key.replaceAll('_', ' '))} ${fact(part)}`).join(', ');
};

/** The quality report as one self-contained page, in reflectance × 10⁴. */
export const qualityHtml = (quality: Quality, provenance: Readonly<Record<string, unknown>>): string => {
  const facts = Object.entries(provenance).map(
    ([key, value]) => `<tr><th>${escapeHtml(key.replaceAll('_', ' '))}</th><td>${fact(value)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(quality.scene)}: quality</title>
<style>
body { font: 15px/1.5 Arial, Helvetica, sans-serif; max-width: 1100px; margin: 24px auto; padding: 0 16px; color: #222; overflow-wrap: anywhere }
.scroll { overflow-x: auto } .scroll td, .scroll th { white-space: nowrap; overflow-wrap: normal }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; overflow-wrap: anywhere } th { white-space: nowrap } td { font-variant-numeric: tabular-nums } pre { margin: 0; font-size: 13px }
figure { display: inline-block; margin: 0 0 1rem; padding-right: 1.5rem; width: 32rem; max-width: 100%; box-sizing: border-box } svg { width: 100% } svg text { font-size: 12px; fill: #444 }
.before { color: ${colours.before} } .after { color: ${colours.after} } .warning { background: #fff4d6; padding: .4rem .8rem; margin: .3rem 0 }
</style></head><body>
<h1>${escapeHtml(quality.scene)}</h1>
${quality.warnings.map((warning) => `<p class="warning">${escapeHtml(warning)}</p>`).join('\n')}
<p>Histograms of valid pixels, reflectance × 10⁴: <b class="before">before</b> and <b class="after">after</b> alignment.</p>
${quality.bands.map((band) => `<figure><figcaption>${escapeHtml(bandLabel(band.name))}</figcaption>${figure(band)}</figure>`).join('\n')}
<div class="scroll"><table><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr>
${quality.bands.map(row).join('\n')}</table></div>
<h2>Provenance</h2>
<table>${facts.join('\n')}</table>
</body></html>
`;
};
