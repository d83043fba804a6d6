import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forPrograms } from '../../src/cli/command.js';
import { commands } from '../../src/cli/commands.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const has = (shell: string): boolean => spawnSync(shell, ['-c', 'true']).status === 0;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-completion-'));
  for (const shell of ['bash', 'zsh', 'fish'])
    writeFileSync(join(folder, shell), execFileSync(process.execPath, [main, 'completion', shell]));
  mkdirSync(join(folder, 'work', 'my scenes'), { recursive: true });
  writeFileSync(join(folder, 'work', 'mine.ts'), '');
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What readline would offer for a line, the cursor at its end: bash has split it as it does, at `=` and `:` too. */
const inBash = (line: string): string[] => {
  const script = `
    . "$1/bash"; cd "$1/work"
    COMP_LINE=$2; COMP_POINT=\${#COMP_LINE}
    _bandalign
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync('bash', ['-c', script, 'bash', folder, line], { encoding: 'utf8' });
  return out.split('\n').filter(Boolean);
};

/** What fish offers, without its descriptions. */
const inFish = (line: string): string[] => {
  const script = `source $argv[1]/fish; cd $argv[1]/work; complete -C "$argv[2]"`;
  const out = execFileSync('fish', ['--no-config', '-c', script, folder, line], { encoding: 'utf8' });
  return out
    .split('\n')
    .map((row) => row.split('\t')[0])
    .filter(Boolean);
};

/** What zsh offers, from a terminal of its own: `compadd` says what would be listed. */
const inZsh = (line: string): string[] => {
  const script = `
    zmodload zsh/zpty
    zpty z zsh -f -i
    say() { zpty -w z "$1"; }
    say 'PS1=READY; unsetopt zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; cd '"$1"'/work'
    say 'compadd() { if [[ " $* " == *" -O "* || " $* " == *" -A "* || " $* " == *" -D "* ]]; then builtin compadd "$@"; return; fi; local -a hits; builtin compadd -O hits "$@"; print -rl -- "\${hits[@]}" >> '"$1"'/hits; builtin compadd "$@" }'
    say '. '"$1"'/zsh; print -r -- LOADED'
    local out
    while zpty -r z out; do [[ $out == *LOADED* && $out != *print* ]] && break; done
    zpty -n -w z "$2"$'\\t'
    repeat 100 { [[ -s $1/hits ]] && break; sleep 0.1 }
    sleep 0.2
    zpty -n -w z $'\\C-u'$'exit\\n'
    sleep 0.3
    zpty -d z`;
  rmSync(join(folder, 'hits'), { force: true });
  execFileSync('zsh', ['-f', '-c', `() { ${script} } "$@"`, 'zsh', folder, line], { timeout: 60_000 });
  const out = execFileSync('cat', [join(folder, 'hits')], { encoding: 'utf8' });
  return out.split('\n').filter(Boolean);
};

const asked: [what: string, line: string, offered: string[], not: string[]][] = [
  ['commands', 'bandalign tr', ['train', 'track'], ['test']],
  ['the second word of a command', 'bandalign runs ', ['list', 'show', 'compare'], ['sync']],
  ['options', 'bandalign train --re', ['--resume'], ['--data']],
  ['options of every command', 'bandalign runs list --js', ['--json'], []],
  ['values of an option', 'bandalign test --split ', ['test', 'val', 'train'], ['--split']],
  ['values of a two-word command', 'bandalign runs compare --format c', ['csv'], ['md']],
  ['experiments', 'bandalign train demo/rec', ['demo/recommended'], ['demo/linear']],
  ['settings', 'bandalign train unet-lut --set train.ep', ['train.epochs='], ['train.lr=']],
  ['shells', 'bandalign completion z', ['zsh'], ['fish']],
];

describe.each([
  ['bash', inBash],
  ['fish', inFish],
  ['zsh', inZsh],
] as const)('%s', (shell, complete) => {
  test.skipIf(!has(shell)).each(asked)('offers %s', (_, line, offered, not) => {
    const words = complete(line).map((word) => word.trim());
    for (const word of offered) expect(words).toContain(word);
    for (const word of not) expect(words).not.toContain(word);
  });

  test.skipIf(!has(shell) || shell === 'zsh')('offers files where a file is meant', () => {
    expect(complete('bandalign train ./mi')).toEqual(['./mine.ts']);
    expect(complete('bandalign apply my')[0]).toMatch(/^my.? scenes\/?$/);
  });
});

test('bash completes a setting behind its last equals sign', () => {
  expect(inBash('bandalign train x --set=train.ep')).toEqual([]);
  expect(inBash('bandalign help ru')).toEqual(['runs']);
});

test.each(['bash', 'fish'])('%s knows every command', (shell) => {
  const complete = shell === 'bash' ? inBash : inFish;
  if (!has(shell)) return;
  const firsts = new Set(
    Object.keys(commands).flatMap((path) => (forPrograms.has(path) ? [] : [path.split(' ')[0]])),
  );
  expect(complete('bandalign ')).toEqual(expect.arrayContaining([...firsts]));
  for (const name of forPrograms) expect(complete('bandalign ')).not.toContain(name);
});
