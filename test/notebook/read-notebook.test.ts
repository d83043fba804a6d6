import { describe, expect, it } from 'vitest';
import { parsePercent, parseQuarto } from '../../src/notebook/read-notebook.js';

const sketch = (notebook: ReturnType<typeof parsePercent>): unknown[] =>
  notebook.cells.map(({ cell_type: kind, source, metadata }) => [kind, source, metadata]);

describe('notebooks as text', () => {
  it('are read from a .ts file in percent format', () => {
    const text = [
      '// ---',
      '// jupyter: {}',
      '// ---',
      "import { gain } from './gain';",
      '// %% [markdown]',
      '// # Title',
      '//',
      '// text',
      '// %% Setup tags=["parameters", "hide-input"]',
      'let epochs = 3; // passes',
      '//%%',
      'epochs',
    ].join('\r\n');
    expect(sketch(parsePercent(text))).toEqual([
      ['code', "import { gain } from './gain';", {}],
      ['markdown', '# Title\n\ntext', {}],
      ['code', 'let epochs = 3; // passes', { tags: ['parameters', 'hide-input'] }],
      ['code', 'epochs', {}],
    ]);
  });

  it('are read from a Quarto document', () => {
    const text = [
      '---\ntitle: Study\n---',
      '# Title',
      '```{typescript}\n//| tags: [parameters]\nlet epochs = 3;\n```',
      'between',
      '```ts\nshown only\n```',
      '````{ts}\n//| echo: false\n//| eval: false\nconst fence = "```";\n````',
    ].join('\n\n');
    expect(sketch(parseQuarto(text))).toEqual([
      ['markdown', '# Title', {}],
      ['code', 'let epochs = 3;', { tags: ['parameters'] }],
      ['markdown', 'between\n\n```ts\nshown only\n```', {}],
      ['code', 'const fence = "```";', { tags: ['skip-execution', 'remove-input'] }],
    ]);
  });
});
