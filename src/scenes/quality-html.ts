import { escapeHtml } from '../figures/page.js';
import { bandLabel, okabeIto, quantileColours } from '../figures/theme.js';
import type { BandQuality, Quality } from './quality.js';
import type { Change, QualityPictures } from './quality-pictures.js';

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

/** What alignment adds to each value, on the axis of the histogram. */
const changeCurve = (changes: readonly Change[], { name, bandMax }: BandQuality): string => {
  if (changes.length === 0) return '';
  const [top, base] = [14, 106];
  const inside = changes.filter(({ value }) => value >= 0 && value <= bandMax);
  const ends = [0, ...inside.map(({ change }) => change)];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const y = (change: number): string =>
    (base - ((change - low) / Math.max(1, high - low)) * (base - top)).toFixed(1);
  const at = ({ value, change }: Change): string =>
    `${(left + (value / bandMax) * (width - 2 * left)).toFixed(1)},${y(change)}`;
  const label = (change: number): string =>
    `<text x="${width - left}" y="${Number(y(change)) - 3}" text-anchor="end">${change < 0 ? '−' : change > 0 ? '+' : ''}${Math.abs(change).toFixed(0)}</text>`;
  return `<svg viewBox="0 0 ${width} ${base + 4}" role="img" aria-label="what alignment adds to ${escapeHtml(bandLabel(name))}">
<line x1="${left}" x2="${width - left}" y1="${y(0)}" y2="${y(0)}" stroke="#999" stroke-dasharray="3 3"/><polyline points="${inside.map(at).join(' ')}" fill="none" stroke="${colours.after}" stroke-width="2"/>${[...new Set([low, high])].map(label).join('')}</svg>`;
};

/** A picture and what it shows. */
const picture = (png: Uint8Array, caption: string): string =>
  `<figure><figcaption>${caption}</figcaption><img alt="" src="data:image/png;base64,${Buffer.from(png).toString('base64')}"></figure>`;

/** The scene and the map of the error to expect, as far as there are any. */
const pictures = ({ scene, uncertainty }: QualityPictures): string => {
  const classes = uncertainty?.limits
    .slice(1)
    .map(
      (limit, i) =>
        `<span class="class"><i style="background: ${quantileColours[i]}"></i>${number(uncertainty.limits[i])}–${number(limit)}</span>`,
    )
    .join(' ');
  return [
    scene && picture(scene, 'The aligned scene, each band stretched from its 2 to its 98 %.'),
    uncertainty &&
      picture(
        uncertainty.png,
        `Error to expect, RMS over bands [× 10⁴], a fifth of the pixels each: ${classes}`,
      ),
  ]
    .filter(Boolean)
    .join('\n');
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
export const qualityHtml = (
  quality: Quality,
  shown: QualityPictures,
  provenance: Readonly<Record<string, unknown>>,
): string => {
  const facts = Object.entries(provenance).map(
    ([key, value]) => `<tr><th>${escapeHtml(key.replaceAll('_', ' '))}</th><td>${fact(value)}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(quality.scene)}: quality</title>
<style>
body { font: 15px/1.5 Arial, Helvetica, sans-serif; max-width: 1100px; margin: 24px auto; padding: 0 16px; color: #222; overflow-wrap: anywhere }
.scroll { overflow-x: auto } .scroll td, .scroll th { white-space: nowrap; overflow-wrap: normal }
table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; overflow-wrap: anywhere } th { white-space: nowrap } td { font-variant-numeric: tabular-nums } pre { margin: 0; font-size: 13px }
figure { display: inline-block; margin: 0 0 1rem; padding-right: 1.5rem; width: 32rem; max-width: 100%; box-sizing: border-box } svg, img { width: 100%; display: block } img { image-rendering: pixelated } .class { white-space: nowrap } .class i { display: inline-block; width: .8em; height: .8em; margin-right: .25em } svg text { font-size: 12px; fill: #444 }
.before { color: ${colours.before} } .after { color: ${colours.after} } .warning { background: #fff4d6; padding: .4rem .8rem; margin: .3rem 0 }
</style></head><body>
<h1>${escapeHtml(quality.scene)}</h1>
${quality.warnings.map((warning) => `<p class="warning">${escapeHtml(warning)}</p>`).join('\n')}
${pictures(shown)}
<p>Histograms of valid pixels, reflectance × 10⁴: <b class="before">before</b> and <b class="after">after</b> alignment; above them what alignment adds to each value, from the 1 to the 99 % of the pixels.</p>
${quality.bands.map((band, b) => `<figure><figcaption>${escapeHtml(bandLabel(band.name))}</figcaption>${changeCurve(shown.changes[b], band)}${figure(band)}</figure>`).join('\n')}
<div class="scroll"><table><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr>
${quality.bands.map(row).join('\n')}</table></div>
<h2>Provenance</h2>
<table>${facts.join('\n')}</table>
</body></html>
`;
};
