import { describe, expect, it } from 'vitest';
import { markdownRenderer } from '../../src/notebook/export/render-markdown.js';

/** HTML with each formula as its TeX between ⟦ ⟧. */
const rendered = (text: string): string =>
  markdownRenderer({})(text).html.replace(
    /<(div|span) class="math">.*?<annotation[^>]*>(.*?)<\/annotation>.*?<\/\1>/gs,
    (_, _tag, tex: string) => `⟦${tex.trim()}⟧`,
  );

describe('displayed formulas', () => {
  it('stand in lines of their own, whatever these begin with', () => {
    expect(rendered('$$\nA\n- b\n> c\n$$\n\nafter')).toBe('⟦A\n- b\n&gt; c⟧<p>after</p>\n');
    expect(rendered('$$a\n+ b$$\nafter')).toBe('⟦a\n+ b⟧<p>after</p>\n');
    expect(rendered('\\begin{align}x &= 1\\end{align}')).toBe('⟦\\begin{align}x &amp;= 1\\end{align}⟧');
  });

  it('stand amid text', () => {
    expect(rendered('$$a$$ is $b$')).toMatch(/⟦a⟧.* is ⟦b⟧/s);
    expect(rendered('so $$E = mc^2$$ holds')).toMatch(/so .*⟦E = mc\^2⟧.* holds/s);
    expect(rendered('- item $$a$$\n- next')).toMatch(/item ⟦a⟧<\/li>\n<li>next/);
  });

  it('are text where they are not closed, and take nothing else along', () => {
    expect(rendered('$$open\n\n# Heading\n\n$5 and $6')).toBe(
      '<p>$$open</p>\n<h1 id="heading">Heading</h1>\n<p>$5 and $6</p>\n',
    );
    expect(rendered('$$$$')).not.toContain('katex');
    expect(rendered('`$$a$$`')).toBe('<p><code>$$a$$</code></p>\n');
  });
});
