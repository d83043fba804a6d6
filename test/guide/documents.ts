import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The repository. */
export const repository = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** A fenced block of a document. `sh` is executed by the tests, `console` is only shown. */
export interface Block {
  language: string;
  /** Of `ts file=NAME`: what the block is saved as. */
  file: string | undefined;
  text: string;
}

export const blocksOf = (markdown: string): Block[] =>
  [...markdown.matchAll(/^ *```(\w+)(?: file=(\S+))?\n(.*?)^ *```/gms)].map(([, language, file, text]) => ({
    ...{ language, file, text },
  }));

/** The commands of an `sh` block as a shell takes them: one a line, `\` joins lines. */
export const commandsOf = ({ text }: Block): string[] =>
  text
    .replaceAll(/ *\\\n */g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));

/** Every document for people, by its path in the repository. */
export const documents = async (): Promise<string[]> => {
  const pagesIn = async (folder: string): Promise<string[]> =>
    (await readdir(join(repository, folder)))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name));
  return ['README.md', 'CONTRIBUTING.md', ...(await pagesIn('docs')), ...(await pagesIn('docs/how-to'))];
};

export const documentText = (path: string): Promise<string> => readFile(join(repository, path), 'utf8');

/** A folder in which the package is installed, with the files of the repository that documents name. */
export const workplace = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'bandalign-documents-'));
  await mkdir(join(folder, 'node_modules/.bin'), { recursive: true });
  await symlink(repository, join(folder, 'node_modules/bandalign'));
  const program = join(repository, 'dist/cli/main.js');
  await chmod(program, 0o755); // as npm does when it installs
  await symlink(program, join(folder, 'node_modules/.bin/bandalign'));
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  await symlink(join(repository, 'experiments'), join(folder, 'experiments'));
  await mkdir(join(folder, 'notebooks'));
  for (const name of await readdir(join(repository, 'notebooks')))
    await symlink(join(repository, 'notebooks', name), join(folder, 'notebooks', name));
  return folder;
};

/** What a shell in `folder` answers to a command, with the caches of the test. */
export const shell = async (command: string, folder: string): Promise<{ code: number; output: string }> => {
  try {
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', command], {
      cwd: folder,
      env: { ...process.env, BANDALIGN_CACHE: join(folder, '.bandalign/cache'), MLFLOW_TRACKING_URI: '' },
      maxBuffer: 2 ** 26,
    });
    return { code: 0, output: stdout + stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
};

/** Does what a document says, in the order of its blocks: saves files, runs commands. @returns what did not work */
export const follow = async (path: string, folder: string): Promise<string[]> => {
  const faults: string[] = [];
  for (const block of blocksOf(await documentText(path))) {
    if (block.file !== undefined) await writeFile(join(folder, block.file), block.text);
    if (block.language !== 'sh') continue;
    for (const command of commandsOf(block)) {
      const { code, output } = await shell(command, folder);
      if (code !== 0) faults.push(`${command}\n${output.trim().split('\n').slice(-4).join('\n')}`);
    }
  }
  return faults;
};
