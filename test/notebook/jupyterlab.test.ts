import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { jupyterPath } from '../../src/notebook/kernelspec.js';
import { packageRoot } from '../../src/notebook/package-root.js';
import { findChromium, startChromium } from '../chromium.js';
import { requireBuild } from './built.js';
import { type CellSketch, writeNotebookFile } from './notebook-files.js';

// BANDALIGN_TEST_JUPYTER=$(test/services/jupyter.sh install) makes these tests run.
const jupyter = process.env['BANDALIGN_TEST_JUPYTER'] ?? '';
if (jupyter !== '' && !existsSync(jupyter))
  throw new Error(`BANDALIGN_TEST_JUPYTER: ${jupyter} does not exist`);
const browser = findChromium();

/** A JupyterLab on a folder inside the checkout, as notebooks of users lie in theirs, and a browser. */
const startJupyterLab = async () => {
  const root = join(packageRoot, '.services', `lab-${process.pid}-${Math.random().toString(36).slice(2)}`);
  await mkdir(root, { recursive: true });
  const server = spawn(
    jupyter,
    [
      ...[
        'lab',
        '--no-browser',
        '--allow-root',
        '--ip=127.0.0.1',
        '--port=0',
        `--ServerApp.root_dir=${root}`,
      ],
      ...['--IdentityProvider.token=', '--ServerApp.password=', '--LabApp.expose_app_in_browser=True'],
      '--LabApp.news_url=',
    ],
    {
      env: {
        ...process.env,
        JUPYTER_PATH: jupyterPath,
        JUPYTER_CONFIG_DIR: join(root, 'config'),
        JUPYTER_DATA_DIR: join(root, 'data'),
        JUPYTER_RUNTIME_DIR: join(root, 'runtime'),
        JUPYTERLAB_SETTINGS_DIR: join(root, 'settings'),
        JUPYTERLAB_WORKSPACES_DIR: join(root, 'workspaces'),
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const address = await new Promise<string>((resolve, reject) => {
    let said = '';
    server.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
      const found = /http:\/\/127\.0\.0\.1:\d+\//.exec(said);
      if (found) resolve(found[0]);
    });
    server.once('exit', () => reject(new Error(said)));
  });
  const running = await startChromium();
  const end = async (): Promise<void> => {
    await running.close();
    server.kill('SIGTERM');
    // a server that is just starting a kernel may not listen
    const last = setTimeout(() => server.kill('SIGKILL'), 20_000);
    await new Promise((resolve) =>
      server.exitCode === null && server.signalCode === null ? server.once('exit', resolve) : resolve(null),
    );
    clearTimeout(last);
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  };
  return { root, address, running, end };
};

let lab: Awaited<ReturnType<typeof startJupyterLab>>;
let places = 0;

/** A folder of its own in the JupyterLab, with a notebook, and a page of it; `addressOf` gives those of other notebooks. */
const inJupyterLab = async (
  cells: readonly (string | CellSketch)[],
  use: (page: Page, folder: string, addressOf: (notebook: string) => string) => Promise<void>,
  front: 'lab' | 'notebook' = 'lab',
): Promise<void> => {
  const { root, address, running } = lab;
  const place = `place-${places++}`;
  const folder = join(root, place);
  await mkdir(folder);
  await writeFile(join(folder, 'package.json'), '{ "name": "lab", "type": "module" }');
  await writeNotebookFile(folder, 'lab.ipynb', cells);
  // a workspace of its own: what other tests had open stays away
  const addressOf = (notebook: string): string =>
    `${address}${front === 'lab' ? `lab/workspaces/${place}/tree` : 'notebooks'}/${place}/${notebook}`;
  const page = await running.newPage({ viewport: { width: 1200, height: 1000 } });
  try {
    page.setDefaultTimeout(60_000);
    // it names its address before it listens
    await expect
      .poll(() => page.goto(addressOf('lab.ipynb')).then(Boolean, () => false), { timeout: 60_000 })
      .toBe(true);
    if (front === 'lab') {
      await page.locator('.jp-Notebook .jp-CodeCell').first().waitFor();
      // idle it says, too, while there is no kernel yet: JupyterLab then asks for one when cells are run
      await page.locator('#jp-main-statusbar', { hasText: 'TypeScript (bandalign) | Idle' }).waitFor();
    }
    await use(page, folder, addressOf);
  } finally {
    const images = process.env['BANDALIGN_TEST_SCREENSHOTS'];
    if (images) await page.screenshot({ path: join(images, `jupyterlab-${Date.now()}.png`) }).catch(() => {});
    await page.close();
  }
};

const command = (page: Page, id: string): Promise<void> =>
  page.evaluate((name) => {
    const { jupyterapp } = globalThis as unknown as {
      jupyterapp: { commands: { execute: (id: string) => Promise<unknown> } };
    };
    void jupyterapp.commands.execute(name); // its promise outlasts a failing cell
  }, id);

const output = (page: Page, cell: number) => page.locator('.jp-CodeCell').nth(cell).locator('.jp-OutputArea');
/** Puts the cursor into a cell and runs it. */
const runCell = async (page: Page, cell: number): Promise<void> => {
  await page.locator('.jp-CodeCell').nth(cell).locator('.cm-content').click();
  await command(page, 'notebook:run-cell');
};

describe.skipIf(jupyter === '' || browser === undefined)(
  'JupyterLab, in a browser',
  { timeout: 300_000 },
  () => {
    requireBuild();
    beforeAll(async () => {
      lab = await startJupyterLab();
      return lab.end;
    });

    it('is worked in: modules edited, the notebook saved, packages installed, cells interrupted', async () =>
      inJupyterLab(
        [
          "import { gain } from './gain';\nlet kept = 40;\n['gain', gain].join(' ')",
          "kept += 1; ['kept', kept].join(' ')",
          "import { late } from 'installed-late';\n['late', late].join(' ')",
          'console.log("endless"); await null; for (;;) {}',
          "['hello', prompt('who? ')].join(' ')",
        ],
        async (page, folder) => {
          const write = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text);
          await write('gain.ts', 'export const gain = 1;');
          await runCell(page, 0);
          await output(page, 0).getByText('gain 1').waitFor();
          await command(page, 'docmanager:save');
          await expect.poll(() => readFile(join(folder, 'lab.ipynb'), 'utf8')).toContain('gain 1');
          await runCell(page, 1);
          await output(page, 1).getByText('kept 41').waitFor();
          await write('gain.ts', 'export const gain = 2;');
          await runCell(page, 0);
          await output(page, 0).getByText('gain 2').waitFor();
          await runCell(page, 2);
          await output(page, 2).getByText('npm install installed-late').waitFor();
          await mkdir(join(folder, 'node_modules', 'installed-late'), { recursive: true });
          await write('node_modules/installed-late/package.json', '{ "name": "installed-late" }');
          await write('node_modules/installed-late/index.js', 'exports.late = 7;');
          await runCell(page, 2);
          await output(page, 2).getByText('late 7').waitFor();
          await runCell(page, 3);
          await output(page, 3).getByText('endless').first().waitFor();
          await command(page, 'notebook:interrupt-kernel');
          await output(page, 3).getByText('the cell was stopped').first().waitFor();
          await runCell(page, 4);
          await page.locator('.jp-Stdin-input').fill('Ada');
          await page.keyboard.press('Enter');
          await output(page, 4).getByText('hello Ada').waitFor();
          await runCell(page, 1);
          await output(page, 1).getByText('kept 41').waitFor();
        },
      ));

    it('runs all cells, is saved while they run, completes names, and begins anew when restarted', async () =>
      inJupyterLab(
        [
          "let kept = 1;\nconsole.log('begun');\nawait new Promise((done) => setTimeout(done, 4000));",
          "kept += 1; ['kept', kept].join(' ')",
          'kep',
        ],
        async (page, folder) => {
          await command(page, 'notebook:run-all-cells');
          await output(page, 0).getByText('begun').waitFor();
          await command(page, 'docmanager:save');
          await expect.poll(() => readFile(join(folder, 'lab.ipynb'), 'utf8')).toContain('begun\\n');
          await output(page, 1).getByText('kept 2').waitFor();
          await output(page, 2).getByText("Cannot find name 'kep'").first().waitFor();
          const last = page.locator('.jp-CodeCell').nth(2).locator('.cm-content');
          await last.click();
          await page.keyboard.press('End');
          await command(page, 'completer:invoke-notebook');
          await page.locator('.jp-Completer-item', { hasText: 'kept' }).first().click();
          await expect.poll(() => last.textContent()).toBe('kept');
          await command(page, 'notebook:restart-kernel');
          await page.locator('.jp-Dialog .jp-mod-accept').click();
          await page.locator('.jp-Dialog').waitFor({ state: 'detached' });
          await page.locator('#jp-main-statusbar', { hasText: '| Idle' }).waitFor();
          await runCell(page, 1);
          await output(page, 1).getByText("Cannot find name 'kept'").first().waitFor();
        },
      ));

    it('shows a live figure with nothing installed: its slider is moved by the mouse; untrusted, a picture', async () => {
      const slider = {
        data: [{ type: 'bar', x: ['a', 'b'], y: [1, 2] }],
        layout: {
          title: { text: 'Counts' },
          sliders: [
            {
              steps: [1, 5, 9].map((value) => ({
                label: String(value),
                method: 'restyle',
                args: [{ y: [[value, value]] }],
              })),
            },
          ],
        },
      };
      await inJupyterLab(
        [
          `import { display } from '${join(packageRoot, 'dist/notebook/display.js')}';\ndisplay(${JSON.stringify(slider)});`,
        ],
        async (page, folder, addressOf) => {
          await runCell(page, 0);
          const plot = output(page, 0).locator('.js-plotly-plot');
          await plot.locator('.bars path').first().waitFor();
          expect(await output(page, 0).locator('figure > img').count()).toBe(0);
          const grip = await plot.locator('.slider-grip-rect').boundingBox();
          const rail = await plot.locator('.slider-rail-touch-rect').boundingBox();
          if (!grip || !rail) throw new Error('the slider is not drawn');
          await page.mouse.move(grip.x + grip.width / 2, grip.y + grip.height / 2);
          await page.mouse.down();
          await page.mouse.move(rail.x + rail.width - 2, grip.y + grip.height / 2, { steps: 5 });
          await page.mouse.up();
          await expect
            .poll(() =>
              plot.evaluate((element) => (element as unknown as { data: { y: number[] }[] }).data[0].y),
            )
            .toEqual([9, 9]);
          await command(page, 'docmanager:save');
          await expect.poll(() => readFile(join(folder, 'lab.ipynb'), 'utf8')).toContain('bandalign-figure');
          // from elsewhere it comes untrusted
          const text = await readFile(join(folder, 'lab.ipynb'), 'utf8');
          await writeFile(join(folder, 'foreign.ipynb'), text.replaceAll('Counts', 'Foreign'));
          await page.goto(addressOf('foreign.ipynb?reset'));
          const image = page.locator('.jp-OutputArea-output img');
          await image.waitFor();
          expect(
            await image.evaluate((element) => (element as unknown as { naturalWidth: number }).naturalWidth),
          ).toBeGreaterThan(100);
          expect(await page.locator('.js-plotly-plot').count()).toBe(0);
        },
      );
    });

    it('keeps the explorer of temporal frequency alive; untrusted, it is a picture', async () => {
      const module = join(packageRoot, 'dist/index.js');
      await inJupyterLab(
        [
          `import { display, exploreTemporal, mgrsPlaces, periodOf, simulateCatalog } from '${module}';
const period = periodOf('2024-01-01', '2024-03-31');
display(exploreTemporal(simulateCatalog(mgrsPlaces(['13TDE', '13TEE']), { period })));`,
        ],
        async (page, folder, addressOf) => {
          await runCell(page, 0);
          const explorer = output(page, 0).locator('.bandalign-explorer');
          await explorer.locator('.numbers tbody tr').first().waitFor();
          await explorer.locator('.map [data-tile="1"]').click();
          await explorer.locator('.when h3', { hasText: '13TEE' }).waitFor();
          const seen = (): Promise<string | null> =>
            explorer.locator('.numbers tbody tr').last().locator('td').nth(1).textContent();
          const before = Number(await seen());
          await explorer.locator('input[type=range]').fill('0');
          expect(Number(await seen())).toBeGreaterThan(before);
          // arrow keys work on the map, not on the notebook
          await explorer.locator('.map').focus();
          await page.keyboard.press('ArrowLeft');
          await explorer.locator('.when h3', { hasText: '13TDE' }).waitFor();
          await command(page, 'docmanager:save');
          await expect
            .poll(() => readFile(join(folder, 'lab.ipynb'), 'utf8'))
            .toContain('data-bandalign-explorer');
          const text = await readFile(join(folder, 'lab.ipynb'), 'utf8');
          await writeFile(join(folder, 'foreign.ipynb'), text.replaceAll('is a place seen', 'is it seen'));
          await page.goto(addressOf('foreign.ipynb?reset'));
          await page.locator('.jp-OutputArea-output img').first().waitFor();
          expect(await page.locator('.bandalign-explorer .panel').count()).toBe(0);
        },
      );
    });

    it('draws figures and the explorer in Notebook 7 as in JupyterLab', async () => {
      const module = join(packageRoot, 'dist/index.js');
      await inJupyterLab(
        [
          `import { display, exploreTemporal, mgrsPlaces, periodOf, simulateCatalog } from '${module}';
const period = periodOf('2024-01-01', '2024-03-31');
display(exploreTemporal(simulateCatalog(mgrsPlaces(['13TDE', '13TEE']), { period })));
display({ data: [{ type: 'scatter', x: [1, 2], y: [1, 2] }], layout: { title: { text: 'Line' } } });`,
        ],
        async (page) => {
          await page.locator('.jp-Notebook .jp-CodeCell').first().waitFor();
          const prompt = page.locator('.jp-CodeCell .jp-InputPrompt').first();
          // it says idle while there is no kernel yet, and a cell run then is not run at all
          await expect
            .poll(
              async () => {
                // asked for a kernel where the notebook's own has not started yet
                const dialog = page.locator('.jp-Dialog .jp-mod-accept');
                if (await dialog.isVisible()) await dialog.click();
                await page.locator('.jp-CodeCell .cm-content').first().click();
                await page.keyboard.press('Shift+Enter');
                await new Promise((resolve) => setTimeout(resolve, 1500));
                return prompt.textContent();
              },
              { timeout: 60_000, interval: 500 },
            )
            .toMatch(/\[[*\d]/);
          const explorer = output(page, 0).locator('.bandalign-explorer');
          await explorer.locator('.map [data-tile="1"]').click();
          await explorer.locator('.when h3', { hasText: '13TEE' }).waitFor();
          await output(page, 0).locator('.js-plotly-plot .scatterlayer path').first().waitFor();
        },
        'notebook',
      );
    });
  },
);
