import { expect, it } from 'vitest';
import type { Layout } from '../../src/figures/figure.js';
import { narrowLayout } from '../../src/figures/narrow-layout.js';
import { modelFigures } from './model-figures.js';

const axesOf = (layout: Layout): [string, Layout][] =>
  Object.entries(layout).flatMap(([key, axis]) => (/^yaxis/.test(key) ? [[key, axis as Layout]] : []));

it('stacks panels from the top, each with its titles', () => {
  const layout = narrowLayout(modelFigures['tiles']);
  const axes = axesOf(layout);
  expect(axes.map(([key]) => key)).toEqual(['yaxis', 'yaxis2', 'yaxis3']);
  const domains = axes.map(([, { domain }]) => domain as [number, number]);
  expect(domains[0][1]).toBe(1);
  expect(domains[1][1]).toBeLessThan(domains[0][0]);
  expect(domains[2][1]).toBeLessThan(domains[1][0]);
  expect(domains[2][0]).toBeCloseTo(0, 12);
  for (const [, { title }] of axes)
    expect(title).toMatchObject({ text: expect.stringContaining('LUT − S2') });
  expect(layout['height']).toBeGreaterThan(3 * 200);
});

it('wraps the title to the width', () => {
  const { title } = narrowLayout({ data: [], layout: { title: { text: 'RMSE of all bands '.repeat(6) } } });
  expect((title as { text: string }).text.split('<br>').length).toBeGreaterThan(1);
});

it('leaves panels alone whose annotations lie on the whole figure', () => {
  const { data, layout } = modelFigures['tiles'];
  const tied = narrowLayout({
    data,
    layout: { ...layout, annotations: [{ text: 'here', xref: 'paper', x: 1 }] },
  });
  expect(axesOf(tied)).toEqual(axesOf(layout));
});
