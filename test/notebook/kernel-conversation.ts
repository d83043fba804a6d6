import type { CellOutput } from '../../src/notebook/document.js';
import { type KernelClient, startKernel } from '../../src/notebook/kernel-client.js';
import { collectOutputs } from '../../src/notebook/output-collector.js';
import type { Fields } from '../../src/notebook/wire.js';

export interface Executed {
  status: string;
  reply: Fields;
  outputs: CellOutput[];
  /** Types of every iopub message but status, in order. */
  messages: string[];
  /** Contents by message type, of the last of each. */
  last: Record<string, Fields>;
}

export interface Conversation {
  kernel: KernelClient;
  execute: (code: string, options?: Fields) => Promise<Executed>;
  /** Runs a cell and interrupts it once it has printed something. */
  interrupted: (code: string) => Promise<Executed>;
}

/** A kernel started in `cwd`, and a way to run cells in it. */
export const converse = async (cwd: string, env?: Record<string, string>): Promise<Conversation> => {
  const kernel = await startKernel({ cwd, env, timeout: 60_000 });
  const { receive } = collectOutputs();
  const run = async (code: string, options: Fields, onPrinted: () => void): Promise<Executed> => {
    const outputs: CellOutput[] = [];
    const messages: string[] = [];
    const last: Record<string, Fields> = {};
    const collect = receive(outputs);
    const answer = await kernel.request(
      'execute_request',
      { code, silent: false, store_history: true, user_expressions: {}, stop_on_error: false, ...options },
      (message) => {
        messages.push(message.type);
        if (message.type === 'stream') onPrinted();
        last[message.type] = message.content;
        collect(message);
      },
    );
    const reply = answer.content ?? { status: 'died', evalue: answer.died };
    return { status: String(reply['status']), reply, outputs, messages, last };
  };
  const interrupted: Conversation['interrupted'] = async (code) => {
    let begin: () => void = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const running = run(code, {}, begin);
    await Promise.race([begun, running]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await kernel.interrupt();
    return running;
  };
  return { kernel, execute: (code, options = {}) => run(code, options, () => {}), interrupted };
};

export const textOf = ({ outputs }: Executed, name: 'stdout' | 'stderr' = 'stdout'): string =>
  outputs
    .flatMap((output) => (output.output_type === 'stream' && output.name === name ? [output.text] : []))
    .join('');

/** The text/plain of the last expression. */
export const resultOf = ({ last }: Executed): unknown =>
  (last['execute_result']?.['data'] as Fields | undefined)?.['text/plain'];
