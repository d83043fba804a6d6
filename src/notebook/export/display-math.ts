import type MarkdownIt from 'markdown-it';

const opening = /^(?:\$\$|\\begin\{[A-Za-z]+\*?\})/;

/** A formula at the beginning of `text`, closed: `$$…$$` or `\begin{…}…\end{…}`. */
const formulaAt = (text: string): { tex: string; length: number } | undefined => {
  const [whole, dollars, environment] =
    /^(?:\$\$([\s\S]+?)\$\$|(\\begin\{([A-Za-z]+\*?)\}[\s\S]*?\\end\{\3\}))/.exec(text) ?? [];
  const tex = dollars ?? environment;
  return whole === undefined || tex.trim() === '' ? undefined : { tex, length: whole.length };
};

/**
 * Displayed formulas as Jupyter takes them: in lines of their own, which may then begin like a list or a heading, or
 * amid text. One that is not closed within its paragraph is text. In place of the plugin's rule, which takes all that
 * follows for a formula where `$$` does not end its line.
 */
export const displayMath = (md: MarkdownIt): void => {
  md.block.ruler.before(
    'math_block_dollar',
    'display_math',
    (state, start, end, silent) => {
      const first = state.getLines(start, start + 1, state.blkIndent, false).trim();
      if (!opening.test(first)) return false;
      for (let line = start + 1; line <= end; line++) {
        if (state.isEmpty(line - 1) && first !== '$$') return false;
        const text = state.getLines(start, line, state.blkIndent, false).trim();
        const formula = formulaAt(text);
        if (!formula) continue;
        if (formula.length < text.length) return false;
        if (silent) return true;
        const token = state.push('math_block', 'math', 0);
        Object.assign(token, { block: true, content: formula.tex, map: [start, line], markup: '$$' });
        state.line = line;
        return true;
      }
      return false;
    },
    { alt: ['paragraph', 'reference', 'blockquote', 'list'] },
  );
  md.inline.ruler.before('escape', 'display_math', (state, silent) => {
    const rest = state.src.slice(state.pos, state.posMax);
    const formula = opening.test(rest) ? formulaAt(rest) : undefined;
    if (!formula) return false;
    if (!silent) state.push('math_block', 'math', 0).content = formula.tex;
    state.pos += formula.length;
    return true;
  });
  md.block.ruler.disable('math_block_dollar');
};
