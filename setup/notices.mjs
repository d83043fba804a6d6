// Writes THIRD_PARTY_NOTICES: licences of the code that the package holds in itself (dist/tensorflow) and of every package
// that npm installs with it. `--check` compares the file and writes nothing.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, 'THIRD_PARTY_NOTICES');

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** The folder that `name` means for a package in `from`. */
const find = (name, from) => {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name);
    if (existsSync(join(found, 'package.json'))) return found;
    if (folder === dirname(folder) || folder === root) return null;
  }
};

/** Folders of a package's dependencies, and of theirs. */
const closure = (folder, seen = new Set()) => {
  const { dependencies = {}, optionalDependencies = {} } = readJson(join(folder, 'package.json'));
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    const found = find(name, folder);
    if (found === null) {
      if (name in optionalDependencies) continue;
      throw new Error(`${name}, which ${folder} depends on, is not installed; run npm ci`);
    }
    if (!seen.has(found)) closure(found, seen.add(found));
  }
  return seen;
};

const licenceOf = ({ license, licenses }) =>
  typeof license === 'string'
    ? license
    : (license?.type ?? licenses?.map(({ type }) => type).join(' or ') ?? 'not stated');

/** The texts that a package brings: its licence, and the notice that Apache's asks to be passed on. */
const textsOf = (folder) =>
  readdirSync(folder, { withFileTypes: true })
    .filter(
      (entry) =>
        entry.isFile() &&
        /^(?:licen[cs]e|copying|notice)/i.test(entry.name) &&
        !/\.(?:[cm]?js|json)$/i.test(entry.name),
    )
    .map(({ name }) => name)
    .sort()
    .map((name) => readFileSync(join(folder, name), 'utf8').replaceAll('\r\n', '\n').trim());

const bundled = readJson(join(root, 'dist', 'tensorflow', 'bundled.json'));
const folders = [...new Set([...bundled.map((name) => find(name, root)), ...closure(root)])];

const apache = readFileSync(join(root, 'node_modules', 'typescript', 'LICENSE.txt'), 'utf8')
  .replaceAll('\r\n', '\n')
  .trim();

/** Packages with the same texts stand together. */
const groups = new Map();
for (const folder of folders) {
  const manifest = readJson(join(folder, 'package.json'));
  const stated = textsOf(folder);
  // whoever passes on code under this licence is to give a copy of it
  const texts = stated.length === 0 && licenceOf(manifest) === 'Apache-2.0' ? [apache] : stated;
  const text =
    texts.length > 0
      ? texts.join('\n\n')
      : `The package brings no text; its manifest states ${licenceOf(manifest)}.`;
  const by = typeof manifest.author === 'string' ? manifest.author : manifest.author?.name;
  const line = `${manifest.name} ${manifest.version} (${licenceOf(manifest)}${texts.length === 0 && by ? `; ${by}` : ''})${bundled.includes(manifest.name) ? ', in dist/tensorflow' : ''}`;
  groups.set(text, [...(groups.get(text) ?? []), line]);
}
const parts = [...groups]
  .map(([text, lines]) => [lines.sort().join('\n'), text])
  .sort(([a], [b]) => (a < b ? -1 : 1))
  .map(([lines, text]) => `${'='.repeat(80)}\n${lines}\n${'-'.repeat(80)}\n${text}\n`);
const notices = `Code of others in bandalign, and in the packages that npm installs with it.
Written by setup/notices.mjs from what each of them states; do not edit.

${parts.join('\n')}`;

if (!process.argv.includes('--check')) writeFileSync(target, notices);
else if (!existsSync(target) || readFileSync(target, 'utf8') !== notices) {
  process.stderr.write('THIRD_PARTY_NOTICES does not say what is installed; run node setup/notices.mjs\n');
  process.exit(1);
}
