/** The look of an exported page: readable width, system fonts, light and dark as the reader's system has it. */
export const pageStyle = `
:root{color-scheme:light dark;--ground:#fff;--text:#1c2024;--soft:#60646c;--line:#e0e3e8;--code:#f6f7f9;--accent:#0b68cb;--bad:#b42318;--bad-ground:#fef3f2;
--keyword:#8250df;--string:#0a6640;--number:#0550ae;--comment:#6a737d;--name:#953800}
@media (prefers-color-scheme:dark){:root{--ground:#14171a;--text:#e6e8eb;--soft:#a0a6ae;--line:#2f343a;--code:#1c2025;--accent:#6cb2ff;--bad:#ff9b8f;--bad-ground:#2a1715;
--keyword:#c9a4ff;--string:#7ee2a8;--number:#79c0ff;--comment:#8b949e;--name:#ffa657}}
*{box-sizing:border-box}
html{scroll-behavior:smooth}
body{margin:0 auto;padding:2rem 1.25rem 4rem;max-width:64rem;background:var(--ground);color:var(--text);font:16px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
h1,h2,h3,h4{line-height:1.25;margin:2em 0 .6em;font-weight:650;text-wrap:balance}
h1{font-size:2rem;margin-top:0}h2{font-size:1.45rem;border-bottom:1px solid var(--line);padding-bottom:.25em}h3{font-size:1.15rem}
p,ul,ol{max-width:46rem}
a{color:var(--accent)}
a:focus-visible,summary:focus-visible,pre:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
nav{border-left:3px solid var(--line);padding:.2rem 0 .2rem 1rem;margin:1.5rem 0;font-size:.95rem}
nav ol{margin:0;padding-left:1.2rem}
pre,code{font-family:ui-monospace,"SF Mono",SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.86rem}
pre{margin:.5rem 0;padding:.75rem 1rem;overflow-x:auto;line-height:1.5;border-radius:6px}
:not(pre)>code{background:var(--code);padding:.1em .3em;border-radius:4px}
.cell{margin:1rem 0}
.source{border:1px solid var(--line);border-radius:6px;background:var(--code)}
.source summary{cursor:pointer;padding:.2rem .8rem;color:var(--soft);font-size:.8rem}
.source pre{margin:0;padding-top:.2rem}
pre.text{border-left:3px solid var(--line);border-radius:0;padding:.25rem 1rem;max-height:40rem;overflow:auto}
pre.stderr{border-left-color:#d9a400}
pre.error{border-left:3px solid var(--bad);background:var(--bad-ground);color:var(--bad);border-radius:0 6px 6px 0}
figure{margin:1rem 0;padding:.5rem;background:#fff;border:1px solid var(--line);border-radius:6px;overflow-x:auto}
figure img{display:block;max-width:100%;height:auto;margin:0 auto}
figure figcaption{color:#60646c;font-size:.85rem;text-align:center}
.html,.markdown table{overflow-x:auto}
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;margin:.75rem 0}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{padding:.25rem .75rem;border-bottom:1px solid var(--line);text-align:left}
.html table{font-size:.78rem}.html th,.html td{padding:.25rem .4rem}
td[style*=right],td[align=right]{white-space:nowrap}
thead th{border-bottom:2px solid var(--soft)}
tbody tr:hover{background:var(--code)}
blockquote{margin:1rem 0;padding:.1rem 1rem;border-left:3px solid var(--accent);color:var(--soft)}
progress{width:14rem;vertical-align:middle}
.math math{font-size:1.08em}div.math{overflow-x:auto;padding:.4rem 0}
nav.pages{display:flex;justify-content:space-between;gap:1rem;border:0;padding:0}
.note{color:var(--soft);font-style:italic}
search input{font:inherit;width:100%;padding:.5rem .75rem;border:1px solid var(--line);border-radius:6px;background:var(--code);color:inherit}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:.75rem;color:var(--soft);font-size:.85rem}
.hljs-keyword,.hljs-built_in,.hljs-type{color:var(--keyword)}.hljs-string,.hljs-regexp{color:var(--string)}
.hljs-number,.hljs-literal{color:var(--number)}.hljs-comment{color:var(--comment);font-style:italic}.hljs-title,.hljs-attr,.hljs-property{color:var(--name)}
@media print{body{max-width:none;padding:0}nav{display:none}figure,table{break-inside:avoid}}
`;
