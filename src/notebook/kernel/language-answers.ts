import type { Fields, WireMessage } from '../wire.js';
import type { EvaluatorQuestion } from './evaluator-messages.js';
import type { Candidate } from './tslab.js';

/** Jupyter counts a cursor in code points, JavaScript in UTF-16 units. */
export const toUnits = (code: string, points: number): number =>
  Array.from(code).slice(0, points).join('').length;

export const toPoints = (code: string, units: number): number => Array.from(code.slice(0, units)).length;

/** A field of a request that should be a text. */
export const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** How requests about code that is being written are answered: by the evaluator, whose compiler knows the cells. */
export const languageAnswers = (
  ask: (question: EvaluatorQuestion) => Promise<Fields | undefined>,
): Record<string, (request: WireMessage) => Promise<Fields>> => {
  const complete = async ({ content }: WireMessage): Promise<Fields> => {
    const [code, cursor] = [text(content['code']), Number(content['cursor_pos'] ?? 0)];
    const found = await ask({ type: 'complete', code, position: toUnits(code, cursor) });
    const place = (value: unknown): number => (typeof value === 'number' ? toPoints(code, value) : cursor);
    const candidates = (found?.['candidates'] ?? []) as Candidate[];
    const [start, end] = [place(found?.['start']), place(found?.['end'])];
    return {
      status: 'ok',
      matches: candidates.map(({ name }) => name),
      cursor_start: start,
      cursor_end: end,
      metadata: {
        // what JupyterLab and VS Code show beside each name, as IPython's kernel tells it
        _jupyter_types_experimental: candidates.map(({ name, kind, type }) => ({
          ...{ start, end, text: name, type: kind },
          ...(type === undefined ? {} : { signature: type }),
        })),
      },
    };
  };

  const inspect = async ({ content }: WireMessage): Promise<Fields> => {
    const code = text(content['code']);
    const position = toUnits(code, Number(content['cursor_pos'] ?? 0));
    const shown = (await ask({ type: 'inspect', code, position }))?.['text'];
    return {
      status: 'ok',
      found: typeof shown === 'string',
      data: typeof shown === 'string' ? { 'text/plain': shown } : {},
      metadata: {},
    };
  };

  const isComplete = async ({ content }: WireMessage): Promise<Fields> => {
    const found = await ask({ type: 'is-complete', code: text(content['code']) });
    if (found?.['completed'] === undefined) return { status: 'unknown' };
    if (!found['completed']) return { status: 'incomplete', indent: found['indent'] };
    return { status: found['valid'] ? 'complete' : 'invalid' };
  };

  return { complete_request: complete, inspect_request: inspect, is_complete_request: isComplete };
};
