import { cpSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { Fault } from '../../src/fault.js';
import { exportNotebook } from '../../src/notebook/export/export-notebook.js';
import { writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { applyScene } from '../../src/scenes/apply-scene.js';
import { runSweep } from '../../src/sweeps/run-sweep.js';
import { sweepTables, writeSweepTables } from '../../src/sweeps/sweep-tables.js';
import { analyse } from '../../src/temporal/analyse.js';
import { readCatalogs } from '../../src/temporal/read-catalogs.js';
import { writeReport } from '../../src/temporal/report.js';
import { notebookJson } from '../notebook/notebook-files.js';
import { handMadeAligner } from '../scenes/hand-made-aligner.js';
import { testWhole } from './whole.js';

let folder: string;
let root: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-outputs-'));
  root = join(folder, 'data');
  cpSync(fileURLToPath(new URL('../fixtures/parity/data', import.meta.url)), root, { recursive: true });

  const [width, height] = [96, 80];
  const noise = (low: number, span: number, seed: number): Uint16Array =>
    Uint16Array.from({ length: width * height }, (_, i) => low + ((i * (2 * seed + 1) * 7919) % span));
  await writeGeoTiff(join(folder, 'scene.tif'), {
    width,
    height,
    bands: [noise(300, 900, 1), noise(500, 1200, 2), noise(600, 2000, 3), noise(2000, 3000, 4)],
    nodata: 0,
    tile: 32,
  });

  const rows = Array.from({ length: 400 }, (_, k) => {
    const day = new Date(Date.UTC(2020, 0, 1 + 5 * Math.floor(k / 4))).toISOString().slice(0, 10);
    return `s${k},3${k % 2}TDE,${k % 4 < 2 ? 's2' : 'gf1'},${day}T10:00:00Z,${(k % 11) / 11}`;
  });
  await writeFile(
    join(folder, 'catalog.csv'),
    `id,tile,sensor,datetime,clear_fraction\n${rows.join('\n')}\n`,
  );

  const picture = { output_type: 'display_data', metadata: {}, data: { 'image/png': 'iVBORw0KGgo=' } };
  for (const version of [1, 2])
    await writeFile(
      join(folder, `${version}.ipynb`),
      notebookJson([
        { source: `# Version ${version}`, markdown: true },
        {
          source: 'draw()',
          outputs: [picture, { output_type: 'stream', name: 'stdout', text: `${version}` }],
        },
      ]),
    );
});
afterAll(async () => {
  delete process.env['BANDALIGN_CACHE'];
  await rm(folder, { recursive: true });
});

testWhole('a sweep anew in the place of another', () => folder, {
  make: async (at, version) => {
    const result = await runSweep({
      sweep: {
        name: 'small',
        base: {
          model: { kind: 'unet-lut', unet: { width: 2, depth: 2 } },
          train: { epochs: version, checkpointEvery: 1, validateEvery: 1 },
        },
        grid: { tv: { off: {}, on: { loss: { tv: 0.01 } } } },
        seeds: [1],
        references: [{ name: 'linear', model: { kind: 'linear' } }],
      },
      root,
      outputDir: join(at, 'outputs'),
      executor: 'debug',
      overwrite: true,
    });
    const told = result.failed.flatMap(({ reasons }) => reasons);
    if (told.length > 0) throw new Fault(told, 1);
    await writeSweepTables(result.name, join(at, 'results'), sweepTables(result, { draws: 100 }));
  },
  grows: /outputs\//,
});

testWhole('an aligned scene', () => folder, {
  make: (at, version) =>
    applyScene(
      {
        inputs: [join(folder, 'scene.tif')],
        out: join(at, 'out', 'scene.tif'),
        boaOffset: version === 1 ? 0 : -100,
        uncertainty: false,
        quicklook: true,
      },
      { aligner: handMadeAligner({ withConv: true }), weights: 'w.safetensors', threads: 1 },
    ),
});

testWhole('exported notebooks', () => folder, {
  make: async (at, version) => {
    for (const kind of ['html', 'md'])
      await exportNotebook(join(folder, `${version}.ipynb`), join(at, 'pages', `page.${kind}`));
  },
});

testWhole('a temporal report', () => folder, {
  make: async (at, version) => {
    const catalog = await readCatalogs([join(folder, 'catalog.csv')], {});
    const analysis = analyse(catalog, { threshold: 0.3 * version });
    await writeReport(analysis, join(at, 'report'));
  },
});
