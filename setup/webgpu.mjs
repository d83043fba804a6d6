// Puts Dawn and TensorFlow.js's WebGPU backend into a folder of their own: `npm ci` takes away what package-lock.json
// does not name, and a GPU's packages are not everybody's.
import { execFile } from 'node:child_process';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

/** The newest that this was tested with; Dawn 0.6.0 and 0.6.1 want a newer C library than Debian 12 has. */
const packages = ['webgpu@0.6.2', '@tensorflow/tfjs-backend-webgpu@4.22.0'];

const help = `usage: npm run setup:webgpu -- [options]
  --dir FOLDER       where it goes (default .webgpu here; then set BANDALIGN_WEBGPU)
`;

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: fileURLToPath(new URL('../.webgpu', import.meta.url)) },
    help: { type: 'boolean' },
  },
});

const say = (text) => process.stderr.write(`setup:webgpu: ${text}\n`);

/** Outside the package, the backend would not find the TensorFlow.js that it must share with us. */
const shareTfjs = async (work, target) => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  if (target.startsWith(resolve(root) + sep)) return;
  const core = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-core/package.json'));
  await symlink(core, join(work, 'node_modules', '@tensorflow', 'tfjs-core'), 'junction');
};

const main = async () => {
  if (values.help) return void process.stdout.write(help);
  const target = resolve(values.dir);
  const work = `${target}.part`;
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  try {
    // a manifest of its own: npm would else look for one further up and change that
    await writeFile(join(work, 'package.json'), '{ "private": true }\n');
    say(packages.join(', '));
    const windows = process.platform === 'win32';
    // no peers: TensorFlow.js must be bandalign's own
    const words = ['install', '--silent', '--no-audit', '--no-fund', '--legacy-peer-deps'];
    await promisify(execFile)(windows ? 'npm.cmd' : 'npm', [...words, ...packages], {
      cwd: work,
      shell: windows,
      maxBuffer: 1 << 26,
    });
    await shareTfjs(work, target);
    await rm(target, { recursive: true, force: true });
    await rename(work, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  say(`done: ${target}; see \`npx bandalign backends\``);
};

main().catch((error) => {
  say(`failed\n${`${error.stderr || error.message}`.trim().split('\n').slice(-12).join('\n')}`);
  process.exit(1);
});
