import { type CellOutput, keepPrinted, printedOf } from './document.js';
import type { KernelMessage } from './kernel-client.js';
import type { MimeBundle } from './kernel-output.js';
import { type PrintedText, printedText } from './printed-text.js';
import type { Fields } from './wire.js';

type Shown = Extract<CellOutput, { output_type: 'display_data' | 'execute_result' }>;

/** What a terminal would show of a line: what follows a carriage return takes its place; one at the end waits. */
const settledLine = (line: string): string => {
  let end = line.length;
  while (end > 0 && line[end - 1] === '\r') end -= 1;
  return end === 0 ? line : line.slice(line.lastIndexOf('\r', end - 1) + 1);
};

const settled = (text: string): string =>
  text.includes('\r') ? text.split('\n').map(settledLine).join('\n') : text;

/** A stream's output over its text, which is made when it is asked for; {@link printedOf} has it in pieces. */
const streamOutput = (name: 'stdout' | 'stderr', printed: PrintedText): CellOutput => {
  const output: CellOutput = {
    output_type: 'stream',
    name,
    get text() {
      return [...printed.pieces()].join('');
    },
  };
  keepPrinted(output, printed);
  return output;
};

/** Gathers the outputs of the cells of one notebook. */
export interface OutputCollector {
  /** A receiver for the messages of a cell; `outputs` is filled in place. */
  receive: (outputs: CellOutput[]) => (message: KernelMessage) => void;
}

/**
 * Turns iopub messages into nbformat outputs as Jupyter's front ends do: texts of one stream are joined, displays are
 * updated wherever in the notebook they were shown, `clear_output` clears (with `wait`, when the next output comes).
 */
export const collectOutputs = (): OutputCollector => {
  const displays = new Map<string, Shown[]>();
  const receive: OutputCollector['receive'] = (outputs) => {
    let clearNext = false;
    /** The last stream ends in a carriage return: what comes next takes its line's place. */
    let returned = false;
    const push = (output: CellOutput): void => {
      if (clearNext) outputs.length = 0;
      clearNext = false;
      outputs.push(output);
    };
    const shown = (content: Fields): { data: MimeBundle; metadata: Fields } => ({
      data: (content['data'] ?? {}) as MimeBundle,
      metadata: (content['metadata'] ?? {}) as Fields,
    });
    return ({ type, content }) => {
      if (type === 'stream') {
        const name = content['name'] === 'stderr' ? 'stderr' : 'stdout';
        const text = String(content['text'] ?? '');
        const last = clearNext ? undefined : outputs.at(-1);
        const printed = last?.output_type === 'stream' && last.name === name ? printedOf(last) : undefined;
        if (!printed) {
          const begun = printedText();
          begun.append(settled(text));
          push(streamOutput(name, begun));
        }
        // most texts are appended and no more: one line of 32 MiB arrives in many parts
        else if (returned || text.includes('\r')) printed.replaceLine(settled(printed.line() + text));
        else printed.append(text);
        if (text !== '') returned = text.endsWith('\r');
      } else if (type === 'display_data' || type === 'update_display_data') {
        const id = (content['transient'] as Fields | undefined)?.['display_id'];
        const known = typeof id === 'string' ? (displays.get(id) ?? []) : [];
        if (type === 'update_display_data') {
          for (const output of known) Object.assign(output, shown(content));
          return;
        }
        const output: Shown = { output_type: 'display_data', ...shown(content) };
        push(output);
        if (typeof id === 'string') displays.set(id, [...known, output]);
      } else if (type === 'execute_result')
        push({
          output_type: 'execute_result',
          ...shown(content),
          execution_count: (content['execution_count'] ?? null) as number | null,
        });
      else if (type === 'error')
        push({
          output_type: 'error',
          ename: String(content['ename'] ?? ''),
          evalue: String(content['evalue'] ?? ''),
          traceback: (content['traceback'] ?? []) as string[],
        });
      else if (type === 'clear_output') {
        if (content['wait'] === true) clearNext = true;
        else outputs.length = 0;
      }
    };
  };
  return { receive };
};
