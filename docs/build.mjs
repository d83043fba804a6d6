// Lays the pages of the site out in docs/.pages: copies of the repository's documents, and a reference from what the program
// says of itself: commands from their --help, settings from the schema that checks them, functions from their TSDoc. Needs
// `npm run build` in the repository.
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const docs = dirname(fileURLToPath(import.meta.url));
const repository = dirname(docs);
const pages = join(docs, '.pages');
const reference = join(pages, 'docs/reference');
const run = promisify(execFile);
const fromDist = (path) => import(join(repository, 'dist', path));

const commands = async () => {
  const { commands: all } = await fromDist('cli/commands.js');
  const { forPrograms } = await fromDist('cli/command.js');
  const help = (...words) =>
    run(process.execPath, [join(repository, 'dist/cli/main.js'), ...words, '--help'], {
      env: { ...process.env, NO_COLOR: '1' },
    }).then(({ stdout }) => stdout.trimEnd());
  const parts = [];
  for (const path of Object.keys(all))
    if (!forPrograms.has(path))
      parts.push(`## ${path}\n\n\`\`\`text\n${await help(...path.split(' '))}\n\`\`\``);
  return `# Commands\n\n\`\`\`text\n${await help()}\n\`\`\`\n\n${parts.join('\n\n')}\n`;
};

/** Every setting as `bandalign settings` tells it. */
const settings = async () => {
  const { listSettings } = await fromDist('experiments/settings.js');
  const cell = (text) => text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('{{', '&#123;&#123;');
  const rows = listSettings().map(({ key, models, type, range, default: value, meaning }) =>
    [
      `\`${key}\``,
      type,
      range,
      value === undefined ? '' : `\`${JSON.stringify(value)}\``,
      [meaning, models === null ? '' : `Models: ${models.join(', ')}.`].filter(Boolean).join(' '),
    ]
      .map(cell)
      .join(' | '),
  );
  return `# Settings\n\nWhat an experiment file holds and \`--set\` changes; \`--print-config\` shows those of a run. A value that is not allowed is refused with what is.\n\n| setting | type | range | default | meaning |\n| --- | --- | --- | --- | --- |\n${rows.map((row) => `| ${row} |`).join('\n')}\n`;
};

await rm(pages, { recursive: true, force: true });
for (const name of [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'SECURITY.md',
  'dataset/README.md',
  'bench/README.md',
])
  await cp(join(repository, name), join(pages, name));
for (const folder of ['docs', 'docs/how-to', 'results', 'results/full', 'results/real'])
  for (const name of await readdir(join(repository, folder)))
    if (/\.(md|svg)$/.test(name)) await cp(join(repository, folder, name), join(pages, folder, name));
await mkdir(reference, { recursive: true });
await writeFile(join(reference, 'commands.md'), await commands());
await writeFile(join(reference, 'settings.md'), await settings());
const typedoc = join(docs, 'node_modules/typedoc/bin/typedoc');
const words = [
  ...[
    '--plugin',
    'typedoc-plugin-markdown',
    '--entryPoints',
    '../src/index.ts',
    '--tsconfig',
    '../tsconfig.json',
  ],
  ...[
    '--out',
    join(reference, 'api'),
    '--router',
    'kind',
    '--readme',
    'none',
    '--disableSources',
    '--hideBreadcrumbs',
  ],
  ...['--excludeInternal', '--skipErrorChecking', '--name', 'Functions', '--logLevel', 'Error'],
  ...['--entryFileName', 'index'],
];
await run(process.execPath, [typedoc, ...words], { cwd: docs, maxBuffer: 2 ** 26 });
