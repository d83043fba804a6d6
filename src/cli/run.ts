import { csvTable, latexTable, markdownTable } from '../evaluation/render-table.js';
import { Fault, linesOf, printable, printableJson, printableLines } from '../fault.js';
import { ignoreProgress } from '../progress.js';
import { type Call, pathIn } from './command.js';
import { commands } from './commands.js';
import { helpFor, unknownCommand } from './help.js';
import { interruption } from './interruption.js';
import { translateOriginal } from './original-flags.js';
import { parseCall } from './parse-call.js';
import { type ProgressDisplay, showProgress } from './show-progress.js';
import { painter } from './terminal.js';
import { textTable } from './text-table.js';

/** Writes all of `text` before returning: `process.exit` would cut what a pipe has not taken yet. */
const emit = (text: string): Promise<void> =>
  new Promise((resolve, reject) =>
    process.stdout.write(text, (error) => (error ? reject(error) : resolve())),
  );

const formats = { text: textTable, md: markdownTable, csv: csvTable, tex: latexTable };

/** The words before `--` that may be options. */
const hasOption = (argv: readonly string[], name: string): boolean =>
  argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined).includes(name);

const main = async (): Promise<void> => {
  const argv = process.argv.slice(2);
  const asJson = hasOption(argv, '--json');
  let hasDocument = false;
  const pending: Promise<void>[] = [];
  let progress: ProgressDisplay | undefined;
  try {
    const path = pathIn(argv, commands);
    const wantsHelp = hasOption(argv, '--help') || hasOption(argv, '-h');
    if (path === undefined) {
      const words = argv.filter((word) => !word.startsWith('-'));
      if (argv.length === 0 || wantsHelp) return await emit(await helpFor(words, commands));
      throw unknownCommand(argv, commands);
    }
    let remedy = 'nothing more is done';
    // its thread starts while the command is loaded
    const interrupted = wantsHelp ? undefined : interruption(() => remedy);
    const { command } = await commands[path]();
    const { values, positionals } = parseCall(
      command,
      translateOriginal(path, argv.slice(command.path.length)),
    );
    if (values['help']) return await emit(await helpFor(command.path, commands));
    const quiet = values['quiet'] === true;
    const paint = painter(process.stdout);
    progress = quiet ? undefined : showProgress(process.stderr);
    const say = (text: string): void => {
      if (asJson) return;
      progress?.clear();
      pending.push(emit(`${text}\n`));
    };
    const call: Call = {
      words: positionals,
      options: values,
      asJson,
      print: (text) => say(printableLines(text)),
      printPainted: say,
      table: (table, format = process.stdout.isTTY ? 'text' : 'md') =>
        say(format === 'text' ? textTable(table, paint) : formats[format](table)),
      json: (value) => {
        if (!asJson) return;
        hasDocument = true;
        pending.push(emit(`${printableJson(value)}\n`));
      },
      note: (text) => {
        progress?.clear();
        if (!quiet) process.stderr.write(`bandalign: ${printable(text)}\n`);
      },
      progress: progress?.show ?? ignoreProgress,
      commands,
      signal: interrupted?.signal ?? new AbortController().signal,
    };
    if ('resume' in (command.options ?? {})) remedy = '--resume continues';
    else if (values['list'] !== undefined) remedy = 'the same call goes on';
    await interrupted?.heard;
    await command.run(call);
    await Promise.all(pending);
    process.exit(process.exitCode ?? 0);
  } catch (error) {
    const faults = linesOf(error);
    const exitCode = error instanceof Fault ? error.exitCode : 1;
    const paint = painter(process.stderr);
    progress?.clear();
    for (const line of faults) process.stderr.write(`${paint('red', 'bandalign:')} ${line}\n`);
    if (hasOption(argv, '--debug') && error instanceof Error)
      process.stderr.write(`${printableLines(String(error.stack))}\n`);
    // a command that has printed its document says in it what failed
    if (asJson && !hasDocument)
      pending.push(emit(`${printableJson({ error: faults.join('\n'), faults, exitCode })}\n`));
    await Promise.allSettled(pending);
    process.exit(exitCode);
  }
};

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
// a call that was killed takes along those that it made: what they leave unfinished is done when it is given again
if (process.send) process.on('disconnect', () => process.exit(1));
void main();
