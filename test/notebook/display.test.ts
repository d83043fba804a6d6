import { DataFrame } from 'danfojs-node';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Table } from '../../src/evaluation/table.js';
import { bundleOf, cellSignal, display, markdown } from '../../src/notebook/display.js';
import { type KernelOutput, type MimeBundle, provideKernelOutput } from '../../src/notebook/kernel-output.js';
import { progressBar } from '../../src/notebook/progress-bar.js';

const place = Symbol.for('bandalign.kernel');
const forget = (): void => void Reflect.deleteProperty(globalThis, place);

const fakeKernel = (watched = false): { shown: { data: MimeBundle; update?: boolean; id?: string }[] } => {
  const shown: { data: MimeBundle; update?: boolean; id?: string }[] = [];
  const show: KernelOutput['show'] = (data, options) => {
    shown.push({ data, update: options?.update, id: options?.displayId });
  };
  provideKernelOutput({
    show,
    later: async (data) => show(await data),
    isWatched: () => watched,
    signal: () => AbortSignal.abort(),
  });
  return { shown };
};

afterEach(forget);

describe('bundleOf', () => {
  it('shows a danfojs frame as a table with every cell escaped, and a long one cut in the middle', async () => {
    const small = (await bundleOf(
      new DataFrame({ band: ['<b>red', 'nir'], rmse: [41.23456789, 46] }),
    )) as MimeBundle;
    expect(small['text/html']).toContain('&lt;b&gt;red');
    expect(small['text/html']).not.toContain('<b>');
    expect(small['text/plain']).toBe('   band       rmse\n0  <b>red  41.2346\n1  nir          46');
    const long = (await bundleOf(
      new DataFrame({ n: Array.from({ length: 500 }, (_, n) => n) }),
    )) as MimeBundle;
    expect(String(long['text/html']).match(/<tr>/g)).toHaveLength(42);
    expect(long['text/plain']).toContain('500 rows × 1 columns');
  });

  it('shows a table of the evaluation with its best values bold', () => {
    const table: Table = {
      caption: 'RMSE',
      columns: [{ label: 'model' }, { label: 'red', unit: '×10⁴', digits: 1, best: 'low' }],
      rows: [{ cells: ['linear', 60] }, { cells: ['unet-lut', 40.04] }],
    };
    const bundle = bundleOf(table) as MimeBundle;
    expect(bundle['text/html']).toContain('<strong>40.0</strong>');
    expect(bundle['text/html']).toContain('<th scope="col" style="text-align:right">red (×10⁴)</th>');
    expect(bundle['text/plain']).toBe(
      'RMSE\nmodel     red (×10⁴)\nlinear          60.0\nunet-lut        40.0',
    );
  });

  it('shows a run as a card, without a link that could run code', () => {
    const bundle = bundleOf({
      kind: 'run',
      tag: 'a<b',
      metrics: { 'RMSE red': 41.234567 },
      link: 'javascript:alert(1)',
    }) as MimeBundle;
    expect(bundle['text/html']).toContain('a&lt;b');
    expect(bundle['text/html']).not.toContain('javascript:');
    expect(bundle['text/plain']).toBe('a<b\n  RMSE red: 41.235');
  });

  it('leaves everything else to its text', () => {
    for (const value of [1, 'x', null, { data: 1 }, { a: 1 }, [1, 2], new Map()])
      expect(bundleOf(value)).toBeUndefined();
  });
});

describe('display', () => {
  it('gives a figure as JSON, image and title', async () => {
    const { shown } = fakeKernel();
    await display({ data: [{ type: 'bar', x: ['a'], y: [1] }], layout: { title: { text: 'Counts' } } });
    const [{ data }] = shown;
    expect(data['application/vnd.plotly.v1+json']).toMatchObject({ data: [{ y: [1] }] });
    expect(Buffer.from(String(data['image/png']), 'base64').subarray(1, 4).toString()).toBe('PNG');
    expect(data['text/plain']).toBe('Counts');
    expect(data).not.toHaveProperty('text/html');
  });

  it('gives a figure as HTML, too, where somebody works: live with nothing else, and no controls in the picture', async () => {
    const sliders = [{ steps: [{ label: '</script>', method: 'restyle', args: [{}] }] }];
    const figure = { data: [{ type: 'bar', y: [1] }], layout: { title: { text: 'T<i>' }, sliders } };
    fakeKernel();
    const still = (await bundleOf(figure)) as MimeBundle;
    expect(Object.keys(still)).toEqual(['application/vnd.plotly.v1+json', 'image/png', 'text/plain']);
    const bare = (await bundleOf({ ...figure, layout: { title: { text: 'T<i>' } } })) as MimeBundle;
    expect(still['image/png']).toBe(bare['image/png']);
    forget();
    fakeKernel(true);
    const html = String(((await bundleOf(figure)) as MimeBundle)['text/html']);
    expect(html.match(/<\/?script/g)).toEqual(['<script', '</script']);
    expect(html).toContain(`<img src="data:image/png;base64,${String(still['image/png'])}"`);
    expect(html).not.toMatch(/https?:\/\//);
    expect(html.length).toBeLessThan(1_000_000);
  });

  it('says why a figure has no image', async () => {
    const { shown } = fakeKernel();
    await display({ data: [{ type: 'surface', z: [[1]] }], layout: {} });
    expect(shown[0].data).not.toHaveProperty('image/png');
    expect(shown[0].data['text/plain']).toBe(
      'figure (figure: no image of surface traces; open its interactive form)',
    );
  });

  it('shows records as a table and Markdown as Markdown', async () => {
    const { shown } = fakeKernel();
    await display([{ a: 1 }, { a: null, b: 'x' }]);
    await display(markdown`**${2}**`);
    expect(shown[0].data['text/plain']).toBe('a  b\n1  –\n–  x');
    expect(shown[1].data['text/markdown']).toBe('**2**');
  });

  it('prints outside a kernel', async () => {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    await display([{ a: 1 }]);
    await display({ data: [], layout: { title: 'T' } });
    const written = write.mock.calls.map(([text]) => text);
    write.mockRestore();
    expect(written).toEqual(['a\n1\n', 'T\n']);
    expect(cellSignal().aborted).toBe(false);
  });
});

describe('progressBar', () => {
  it('draws one place, a line for each stage, and no times once all is done', () => {
    const { shown } = fakeKernel();
    const bar = progressBar();
    for (const done of [0, 1, 2]) bar({ stage: 'reading', done, total: 2, unit: 'tiles' });
    for (let done = 0; done <= 1000; done += 1)
      bar({ stage: 'training', done, total: 1000, unit: 'steps', note: 'loss 1' });
    expect(shown.length).toBeLessThan(20);
    expect(new Set(shown.map(({ id }) => id)).size).toBe(1);
    expect(shown.map(({ update }) => update)).toEqual(shown.map((_, index) => index > 0));
    expect(shown.at(-1)?.data['text/plain']).toBe('reading: 2/2 tiles\ntraining: 1000/1000 steps, loss 1');
    expect(shown.at(-1)?.data['text/html']).toContain('<progress value="1000" max="1000"');
    expect(cellSignal().aborted).toBe(true);
  });
});
