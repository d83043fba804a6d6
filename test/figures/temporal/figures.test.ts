import { describe, expect, it } from 'vitest';
import { figurePage } from '../../../src/figures/page.js';
import { gapEcdf } from '../../../src/figures/temporal/gap-ecdf.js';
import { palette, themed } from '../../../src/figures/theme.js';
import { analyse } from '../../../src/temporal/analyse.js';
import { analysisFigures } from '../../../src/temporal/analysis-figures.js';
import { mgrsPlaces, simulateCatalog } from '../../../src/temporal/simulate.js';

const catalog = simulateCatalog(mgrsPlaces(['13TDE', '31UFP']), {
  period: { from: 19_723, to: 19_723 + 120 },
});

describe('the figures of an analysis', () => {
  const analysis = analyse(catalog, { sensors: ['s2', 'gf1'] });
  const figures = analysisFigures(analysis);

  it('are five, plain JSON, with units on their axes, and say that they are simulated', () => {
    expect(figures.map(({ name }) => name)).toEqual(['gain', 'gap-ecdf', 'months', 'calendar', 'map']);
    for (const { figure } of figures) {
      expect(JSON.parse(JSON.stringify(figure.layout))).toEqual(figure.layout);
      expect(JSON.stringify(figure.layout['title'])).toContain('(simulated acquisitions)');
      expect(JSON.stringify(figure.layout)).toMatch(/\[(days|°|mean of tiles|UTC)/);
    }
  });

  it('stack to the number of clear days of both sensors', () => {
    const { data } = figures.find(({ name }) => name === 'months')!.figure;
    const total = data.flatMap(({ y }) => y as number[]).reduce((sum, value) => sum + value, 0);
    const counted = [...analysis.statistics.values()].reduce(
      (sum, bySet) => sum + bySet.get('s2+gf1')!.nClear,
      0,
    );
    expect(total).toBeCloseTo(counted / 2, 9);
  });

  it('show every observation in the calendar, and one tile at a time', () => {
    const { data } = figures.find(({ name }) => name === 'calendar')!.figure;
    const points = data.reduce((sum, { x }) => sum + (x as string[]).length, 0);
    const counted = [...analysis.statistics.values()].reduce(
      (sum, bySet) => sum + bySet.get('s2')!.n + bySet.get('gf1')!.n,
      0,
    );
    expect(points).toBe(counted);
    expect(data.filter(({ visible }) => visible)).toHaveLength(4);
  });

  it('make one page with plotly inside and no way out of its script', async () => {
    const page = await figurePage('a < b', [
      { heading: '</script>', figure: gapEcdf([{ name: '</script><b>', gaps: [1] }]) },
    ]);
    expect(page).toContain('<title>a &lt; b</title>');
    expect(page.match(/<\/script>/g)).toHaveLength(2);
    expect(page).not.toMatch(/<(script|link)[^>]+(src|href)=/);
  });
});

it('draws the steps of the distribution', () => {
  const [trace] = gapEcdf([{ name: 's2', gaps: [3, 2, 3, 5] }]).data;
  expect([trace['x'], trace['y']]).toEqual([
    [0, 2, 3, 5],
    [0, 25, 75, 100],
  ]);
});

it('merges a layout over the theme, further axes too', () => {
  const layout = themed({ title: 'T', yaxis: { range: [0, 1] }, xaxis2: { title: { text: 'x' } } });
  expect(layout).toMatchObject({
    colorway: palette,
    title: { text: 'T' },
    yaxis: { range: [0, 1], ticks: 'outside' },
    xaxis2: { title: { text: 'x', standoff: 10 }, ticks: 'outside' },
  });
});
