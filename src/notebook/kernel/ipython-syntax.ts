import type { CellError } from './evaluator-messages.js';

const quoted = (command: string): string => `'${command.replace(/[\\']/g, '\\$&')}'`;

const runCommand = (command: string): string =>
  `import { execSync } from 'node:child_process'; console.log(execSync(${quoted(command)}, { encoding: 'utf8' }))`;

const install = /^(?:npm|npx npm|pnpm|yarn|pip3?|conda|mamba)\s+(?:install|add|i)\b\s*(.*)$/;

/** What to type in place of `%name rest`. */
const magics: Record<string, (rest: string) => string> = {
  time: () => "write console.time('cell') before the work and console.timeEnd('cell') after it",
  timeit: () => 'repeat the work in a loop between two performance.now()',
  cd: (rest) => `write process.chdir(${quoted(rest)}); paths count from the folder with package.json`,
  pwd: () => 'write process.cwd()',
  env: (rest) => (rest === '' ? 'write process.env' : `write process.env[${quoted(rest.split(/[= ]/)[0])}]`),
  bash: () => 'write the commands with execSync of node:child_process',
  sh: () => 'write the commands with execSync of node:child_process',
  html: () => "write display({ toMimeBundle: () => ({ 'text/html': '…' }) })",
  markdown: () => 'write display(markdown`…`), with both imported from bandalign',
  who: () => 'names of earlier cells are offered by completion (Tab)',
  run: (rest) => `import the module: import './${rest}'`,
};
/** Magics for what this kernel does by itself. */
const needless = new Set(['matplotlib', 'autoreload', 'load_ext', 'reload_ext', 'config', 'pylab', 'plotly']);

const adviceFor = (line: string): string | undefined => {
  const help = /^(?:\?{1,2}([\w$.]+)|([\w$.]+)\?{1,2})$/.exec(line);
  if (help) return `put the cursor on ${help[1] ?? help[2]} and press Shift+Tab, or point at it in VS Code`;
  const shell = /^(?:!{1,2}|%pip\b|%conda\b|%npm\b)/.exec(line)?.[0];
  if (shell !== undefined) {
    const command = shell.startsWith('%') ? line.slice(1) : line.slice(shell.length).trim();
    const packages = install.exec(command)?.[1];
    return packages === undefined
      ? `write ${runCommand(command)}`
      : `run npm install ${packages} in a terminal; the next cell can import it`;
  }
  const [, name, rest] = /^%%?([a-z_]\w*)\s*(.*)$/.exec(line) ?? [];
  if (name === undefined) return undefined;
  if (needless.has(name))
    return 'leave it out: nothing needs to be loaded, and changed modules are read again';
  return magics[name]?.(rest) ?? 'write it in TypeScript';
};

/** IPython's help, magics and shell lines are no TypeScript: what to type instead, as an error of the cell. */
export const explainIpython = (code: string): CellError | undefined => {
  const lines = code.split('\n');
  const line = lines.findIndex((text) => text.trim() !== '' && !/^\s*\/\//.test(text));
  const written = lines[line]?.trim() ?? '';
  const advice = /^[%!?]|\?$/.test(written) ? adviceFor(written) : undefined;
  if (advice === undefined) return undefined;
  const evalue = `${written}: IPython only; ${advice}`;
  return {
    ename: 'NotTypeScript',
    evalue,
    traceback: [`NotTypeScript: ${written}: IPython only`, `  ${advice}`],
    line: line + 1,
  };
};
