// Builds the addon of @tensorflow/tfjs-node against the libtensorflow inside PyPI's tensorflow wheel. The released
// addon is frozen at TensorFlow 2.9 and CUDA 11.2; its sources compile as they are against the C API of today.
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

/** The newest TensorFlow that this was tested with. */
const pinned = '2.21.0';
const tfjsNode = '4.22.0';
const nodeApiHeaders = '1.9.0';
/** The wheel's Python: of no matter to the C library, but wheels are per version. */
const wheelPython = '3.12';

const help = `usage: npm run setup:tensorflow -- [options]
  --gpu              with CUDA 12 from PyPI (default where nvidia-smi works)
  --cpu              without
  --tensorflow X.Y.Z another version (default ${pinned})
  --python COMMAND   a Python with pip, for the download alone (default python3)
  --dir FOLDER       where it goes (default .tensorflow here; then set BANDALIGN_TENSORFLOW)
`;

const { values } = parseArgs({
  options: {
    gpu: { type: 'boolean' },
    cpu: { type: 'boolean' },
    tensorflow: { type: 'string', default: pinned },
    python: { type: 'string', default: 'python3' },
    dir: { type: 'string', default: fileURLToPath(new URL('../.tensorflow', import.meta.url)) },
    help: { type: 'boolean' },
  },
});

class Stop extends Error {}

const say = (text) => process.stderr.write(`setup:tensorflow: ${text}\n`);

const run = async (what, command, words, options = {}) => {
  try {
    const { stdout } = await promisify(execFile)(command, words, { maxBuffer: 1 << 26, ...options });
    return stdout;
  } catch (error) {
    const lines = `${error.stderr ?? ''}`.trim().split('\n').slice(-12).join('\n');
    throw new Stop(
      error.code === 'ENOENT'
        ? `${what}: ${command}; not installed`
        : `${what}: failed\n${lines || error.message}`,
    );
  }
};

const hasCard = async () =>
  promisify(execFile)('nvidia-smi', ['-L']).then(
    ({ stdout }) => stdout.includes('GPU'),
    () => false,
  );

/** Installs wheels into a folder, whatever Python runs pip. */
const pip = (target, packages) =>
  run('pip', values.python, [
    ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--upgrade'],
    ...['--only-binary=:all:', `--python-version=${wheelPython}`, '--target', target, ...packages],
  ]);

/** What the wheel's metadata asks for under the extra `and-cuda`. */
const cudaPackages = async (site) => {
  const name = (await readdir(site)).find((entry) => /^tensorflow.*\.dist-info$/.test(entry));
  const metadata = await readFile(join(site, name, 'METADATA'), 'utf8');
  return [...metadata.matchAll(/^Requires-Dist: (.+?) *; *extra == ["']and-cuda["']/gm)].map(([, wish]) =>
    wish.replace(/[()\s]/g, ''),
  );
};

/** Of the wheel only the headers and the C library are kept: its Python part is half a gigabyte. */
const prune = async (site) => {
  const folder = join(site, 'tensorflow');
  for (const name of await readdir(folder))
    if (!/^(include|libtensorflow.*)$/.test(name)) await rm(join(folder, name), { recursive: true });
};

const fetchPackage = async (work, name, version, folder) => {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  await run('npm', npm, ['pack', '--silent', `${name}@${version}`], { cwd: work });
  const archive = (await readdir(work)).find((entry) => entry.endsWith('.tgz'));
  await mkdir(folder, { recursive: true });
  await run('tar', 'tar', ['-xzf', join(work, archive), '-C', folder, '--strip-components=1']);
  await rm(join(work, archive));
};

const compile = async (work, site) => {
  const library = join(site, 'tensorflow');
  const names = await readdir(library);
  const [cc, framework] = ['libtensorflow_cc', 'libtensorflow_framework'].map((stem) =>
    names.find((name) => name.startsWith(`${stem}.`)),
  );
  if (!cc || !framework)
    throw new Stop(`wheel: ${library}; no libtensorflow_cc in it, another --tensorflow version`);
  const mac = process.platform === 'darwin';
  const node = join(work, 'node_modules', '@tensorflow', 'tfjs-node');
  await run('compiler', process.env.CXX ?? (mac ? 'clang++' : 'g++'), [
    ...['-std=c++17', '-O2', '-fPIC', '-DNAPI_VERSION=8'],
    ...(mac ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared']),
    ...['-I', join(library, 'include'), '-I', join(work, 'headers', 'include'), '-I', join(node, 'binding')],
    ...['tfjs_backend.cc', 'tfjs_binding.cc'].map((file) => join(node, 'binding', file)),
    ...['-o', join(work, 'tfjs_binding.node'), join(library, cc), join(library, framework)],
    mac ? '-Wl,-rpath,@loader_path/python/tensorflow' : '-Wl,-rpath,$ORIGIN/python/tensorflow',
  ]);
  await rm(join(library, 'include'), { recursive: true });
};

/**
 * The addon's JavaScript must share the core of TensorFlow.js with us, and finds it only within the package by itself. It
 * asks for the whole of TensorFlow.js and uses the core alone, which stands in for it.
 */
const shareTfjs = async (work, target) => {
  const whole = join(work, 'node_modules', '@tensorflow', 'tfjs');
  await mkdir(whole, { recursive: true });
  await writeFile(
    join(whole, 'package.json'),
    `${JSON.stringify({ name: '@tensorflow/tfjs', version: tfjsNode })}\n`,
  );
  await writeFile(join(whole, 'index.js'), "module.exports = require('@tensorflow/tfjs-core');\n");
  const root = fileURLToPath(new URL('..', import.meta.url));
  if (target.startsWith(resolve(root) + sep)) return;
  const core = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-core/package.json'));
  await symlink(core, join(work, 'node_modules', '@tensorflow', 'tfjs-core'));
};

const main = async () => {
  if (values.help) return void process.stdout.write(help);
  if (process.platform === 'win32')
    throw new Stop('Windows: its wheel has no C library to link with; use WSL 2, or --backend webgpu');
  const gpu = values.gpu ?? (!values.cpu && (await hasCard()));
  if (gpu && process.platform !== 'linux')
    throw new Stop('--gpu: CUDA is for Linux; on a Mac use --backend webgpu');
  const slim = !gpu && process.platform === 'linux' && process.arch === 'x64';
  const target = resolve(values.dir);
  const work = `${target}.part`;
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  try {
    const site = join(work, 'python');
    say(
      `TensorFlow ${values.tensorflow} ${gpu ? 'with CUDA (about 3 GB)' : 'for the CPU (about 300 MB)'} from PyPI`,
    );
    await pip(site, [`${slim ? 'tensorflow-cpu' : 'tensorflow'}==${values.tensorflow}`]);
    if (gpu) await pip(site, await cudaPackages(site));
    await prune(site);
    say(`@tensorflow/tfjs-node ${tfjsNode} from npm`);
    await fetchPackage(
      work,
      '@tensorflow/tfjs-node',
      tfjsNode,
      join(work, 'node_modules', '@tensorflow', 'tfjs-node'),
    );
    await fetchPackage(work, 'google-protobuf', '3.21.4', join(work, 'node_modules', 'google-protobuf'));
    await fetchPackage(work, 'node-api-headers', nodeApiHeaders, join(work, 'headers'));
    await shareTfjs(work, target);
    say('compiling the addon');
    await compile(work, site);
    const built = {
      tensorflow: values.tensorflow,
      tfjsNode,
      addon: 'tfjs_binding.node',
      package: 'node_modules/@tensorflow/tfjs-node',
    };
    await writeFile(join(work, 'built.json'), `${JSON.stringify(built, null, 2)}\n`);
    await rm(target, { recursive: true, force: true });
    await rename(work, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  say(`done: ${target}; see \`npx bandalign backends\``);
};

main().catch((error) => {
  process.stderr.write(`${error instanceof Stop ? `setup:tensorflow: ${error.message}` : error.stack}\n`);
  process.exit(1);
});
