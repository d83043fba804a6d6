// Puts what notebooks run on, and nothing else needs, into a folder of its own: tslab, TypeScript for its cells, ZeroMQ to
// speak with Jupyter. In a checkout these are there as development dependencies.
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

const help = `usage: bandalign setup notebooks [options]
  --dir FOLDER       where it goes (default .notebooks in the package; then set BANDALIGN_NOTEBOOKS)
`;

const { values } = parseArgs({
  options: { dir: { type: 'string', default: join(root, '.notebooks') }, help: { type: 'boolean' } },
});

const say = (text) => process.stderr.write(`setup notebooks: ${text}\n`);

const standIn = '@tslab/typescript-for-tslab';

const main = async () => {
  if (values.help) return void process.stdout.write(help);
  const target = resolve(values.dir);
  const work = `${target}.part`;
  const { peerDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const names = ['tslab', 'typescript', 'zeromq'];
  const dependencies = Object.fromEntries(names.map((name) => [name, peerDependencies[name]]));
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  try {
    say(names.map((name) => `${name} ${dependencies[name]}`).join(', '));
    await cp(join(root, 'jupyter', 'typescript-for-tslab'), join(work, 'typescript-for-tslab'), {
      recursive: true,
    });
    // tslab's own compiler is years old, and would be a second one
    const manifest = {
      private: true,
      dependencies: { ...dependencies, [standIn]: 'file:typescript-for-tslab' },
      overrides: { [standIn]: `$${standIn}` },
    };
    await writeFile(join(work, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    const windows = process.platform === 'win32';
    // ZeroMQ comes built for every system: its script would look for a compiler
    const words = ['install', '--silent', '--no-audit', '--no-fund', '--ignore-scripts'];
    await promisify(execFile)(windows ? 'npm.cmd' : 'npm', words, {
      cwd: work,
      shell: windows,
      maxBuffer: 1 << 26,
    });
    const builds = join(work, 'node_modules', 'zeromq', 'build');
    for (const name of await readdir(builds, { withFileTypes: true }))
      if (name.isDirectory() && name.name !== process.platform)
        await rm(join(builds, name.name), { recursive: true });
    await rm(target, { recursive: true, force: true });
    await rename(work, target);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  say(`done: ${target}; \`bandalign kernel install\` tells Jupyter of the kernel`);
};

main().catch((error) => {
  say(`failed\n${`${error.stderr || error.message}`.trim().split('\n').slice(-12).join('\n')}`);
  process.exit(1);
});
