import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { pathIn } from '../../src/cli/command.js';
import { commands } from '../../src/cli/commands.js';
import { parseCall } from '../../src/cli/parse-call.js';

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

test('demo trains on the dataset that is there, and writes one page that needs nothing else', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bandalign-demo-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const bandalign = (...words: string[]) =>
    spawnSync(process.execPath, [program, ...words, '--quiet'], { cwd: folder, encoding: 'utf8' });
  // smaller than the one that the demo draws
  const drawn = bandalign('dataset', 'synth', 'look/dataset', '--tiles', '24', '--size', '32');
  expect(drawn.status, drawn.stderr).toBe(0);

  const { status, stdout, stderr } = bandalign('demo', 'look', '--json');
  expect(status, stderr).toBe(0);
  const { page, next, seconds } = JSON.parse(stdout) as { page: string; next: string[]; seconds: number };
  expect(page).toBe(join('look', 'demo.html'));
  expect(seconds).toBeGreaterThan(0);
  expect(readdirSync(join(folder, 'look')).sort()).toEqual(['dataset', 'demo.html', 'outputs']);

  const html = readFileSync(join(folder, page), 'utf8');
  for (const row of ['identity', 'linear', 'global-lut', 'kernel-lut', 'recommended', 'oracle'])
    expect(html).toContain(`<td class="name">${row}</td>`);
  expect(html).toContain('Synthetic data');
  expect(html).toContain('Before and after alignment');
  expect(html).toMatch(/LUTs of \d+ test tiles/);
  expect(html).not.toMatch(/<(?:script|img|link)[^>]+(?:src|href)="(?!data:)/);
  expect(html.length).toBeLessThan(2e6);

  // what it says to do next can be typed as it stands
  expect(next).toHaveLength(3);
  for (const line of next) {
    const words = line.split(' ').slice(2);
    const { command } = await commands[pathIn(words, commands)!]();
    expect(() => parseCall(command, words.slice(command.path.length))).not.toThrow();
  }
  const compared = bandalign(...next[0].split(' ').slice(2));
  expect(compared.status, compared.stderr).toBe(0);
  expect(compared.stdout).toContain('| recommended |');
});
