import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const program = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

/** Calls the built program on a machine without the optional parts. */
const backends = (...words: string[]) =>
  promisify(execFile)(process.execPath, [program, 'backends', ...words], {
    env: {
      ...process.env,
      BANDALIGN_WEBGPU: join(tmpdir(), 'none'),
      BANDALIGN_TENSORFLOW: join(tmpdir(), 'none'),
    },
  });

test('the doctor lists four backends, times those that work and says of the others what to type', {
  timeout: 300_000,
}, async () => {
  const { stdout } = await backends('--json');
  const findings = JSON.parse(stdout) as Record<string, unknown>[];
  expect(findings.map(({ name }) => name)).toEqual(['cpu', 'wasm', 'webgpu', 'tensorflow']);
  for (const finding of findings)
    expect(Object.keys(finding)).toEqual(
      expect.arrayContaining(['name', 'available', 'device', 'reason', 'msPerStep']),
    );
  const [cpu, , webgpu, tensorflow] = findings;
  expect(cpu).toMatchObject({
    available: true,
    device: expect.any(String),
    reason: null,
    msPerStep: { lut: expect.any(Number), conv: expect.any(Number) },
  });
  expect(webgpu).toMatchObject({
    available: false,
    device: null,
    reason: 'webgpu is not installed: npm run setup:webgpu',
    msPerStep: null,
  });
  expect(tensorflow).toMatchObject({
    available: false,
    reason: expect.stringMatching(/: npm run setup:tensorflow$/),
  });
});

test('one that is asked for alone is named as it is for people', async () => {
  const { stdout } = await backends('--only', 'webgpu');
  expect(stdout).toBe('webgpu      no: webgpu is not installed: npm run setup:webgpu\n');
});
