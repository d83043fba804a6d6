const light = `color-scheme:light;--ground:#fff;--panel:#fff;--text:#1c2024;--soft:#5d636d;--line:#dfe3e8;--faint:#f1f3f6;--accent:#0b62c0;--on-accent:#fff;--band:#f6c343;--mark:none`;
const dark = `color-scheme:dark;--ground:#14171a;--panel:#1a1e23;--text:#e8eaed;--soft:#a3abb5;--line:#323840;--faint:#252a31;--accent:#6cb2ff;--on-accent:#0b1117;--band:#8a6a12;--mark:brightness(1.35)`;

/** The look of the explorer, for any width and for light and dark: the reader's system decides, or JupyterLab's theme. */
export const explorerStyle = `
.bandalign-explorer{${light};container-type:inline-size;background:var(--ground);color:var(--text);font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;text-align:left}
@media (prefers-color-scheme:dark){.bandalign-explorer{${dark}}}
[data-jp-theme-light="true"] .bandalign-explorer{${light}}
[data-jp-theme-light="false"] .bandalign-explorer,.vscode-dark .bandalign-explorer{${dark}}
.vscode-light .bandalign-explorer{${light}}
.bandalign-explorer *{box-sizing:border-box}
.bandalign-explorer .head{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline;justify-content:space-between;margin:0 0 .75rem}
.bandalign-explorer .head strong{font-size:1.1rem;font-weight:650}
.bandalign-explorer .badge{background:var(--band);color:var(--text);border-radius:99px;padding:.05rem .6rem;font-size:.8rem;font-weight:600}
.bandalign-explorer .controls{display:flex;flex-wrap:wrap;gap:.7rem 1.25rem;background:var(--faint);border-radius:10px;padding:.8rem 1rem;margin-bottom:.9rem}
.bandalign-explorer .field{border:0;margin:0;padding:0;min-width:0;flex:1 1 16rem;display:flex;flex-direction:column;gap:.25rem}
.bandalign-explorer legend.label{margin-bottom:.25rem}
.bandalign-explorer .label{color:var(--soft);font-size:.78rem;font-weight:600;padding:0;display:flex;justify-content:space-between;gap:.5rem}
.bandalign-explorer .label output{color:var(--text);font-variant-numeric:tabular-nums}
.bandalign-explorer .row{display:flex;flex-wrap:wrap;gap:.35rem;align-items:center;min-height:34px}
.bandalign-explorer .row>select,.bandalign-explorer .row>input[type=date]{flex:1 1 7rem}
.bandalign-explorer select,.bandalign-explorer input[type=date],.bandalign-explorer button{font:inherit;font-size:.87rem;color:var(--text);background:var(--panel);border:1px solid var(--line);border-radius:7px;padding:.3rem .5rem;min-height:34px;min-width:0;margin:0}
.bandalign-explorer button{cursor:pointer}
.bandalign-explorer button[aria-pressed=true]{background:var(--accent);border-color:var(--accent);color:var(--on-accent)}
.bandalign-explorer input[type=range]{width:100%;accent-color:var(--accent);height:34px;margin:0}
.bandalign-explorer label.sensor{display:inline-flex;gap:.4rem;align-items:center;border:1px solid var(--line);background:var(--panel);border-radius:99px;padding:.25rem .7rem;min-height:34px;cursor:pointer;font-size:.87rem}
.bandalign-explorer label.sensor input{margin:0;accent-color:var(--accent)}
.bandalign-explorer .chip{width:.75rem;height:.75rem;border-radius:3px;filter:var(--mark)}
.bandalign-explorer .panels{display:grid;grid-template-columns:minmax(0,1fr);gap:.9rem}
.bandalign-explorer .panel{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:.75rem .9rem;min-width:0}
.bandalign-explorer .panel header{display:flex;flex-wrap:wrap;gap:.35rem .75rem;align-items:center;justify-content:space-between;margin-bottom:.4rem;min-height:34px}
.bandalign-explorer .panel h3{font-size:.95rem;font-weight:650;margin:0;color:var(--text);border:0;padding:0}
.bandalign-explorer svg{display:block;max-width:100%;overflow:visible}
.bandalign-explorer svg text{fill:var(--soft);font-size:11px;font-family:inherit;font-variant-numeric:tabular-nums}
.bandalign-explorer .plot:focus{outline:none}
.bandalign-explorer .plot:focus-visible,.bandalign-explorer select:focus-visible,.bandalign-explorer button:focus-visible,.bandalign-explorer input:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:6px}
.bandalign-explorer .tile{stroke:var(--panel);stroke-width:1;cursor:pointer}
.bandalign-explorer .tile.chosen{stroke:var(--text);stroke-width:2.5}
.bandalign-explorer svg .name{pointer-events:none;font-size:12px;font-weight:600}
.bandalign-explorer .tile:hover{stroke:var(--text);stroke-width:1.5}
.bandalign-explorer .mark{filter:var(--mark)}
.bandalign-explorer .day{fill:var(--faint)}
.bandalign-explorer .band{fill:var(--band)}
.bandalign-explorer .hit{fill:transparent;cursor:pointer}
.bandalign-explorer .hit:hover{stroke:var(--text);stroke-width:1.2}
.bandalign-explorer .cursor{fill:none;stroke:var(--text);stroke-width:2}
.bandalign-explorer .end{fill:none;stroke:var(--band);stroke-width:2}
.bandalign-explorer .grid{stroke:var(--line)}
.bandalign-explorer .bar{fill:var(--accent);cursor:pointer}
.bandalign-explorer .bar.chosen{fill:var(--band)}
.bandalign-explorer .mean{stroke:var(--text);stroke-dasharray:4 3}
.bandalign-explorer .scroll{max-height:340px;overflow-y:auto;overflow-x:hidden}
.bandalign-explorer .legend{display:flex;flex-wrap:wrap;gap:.2rem .8rem;margin-top:.5rem;font-size:.78rem;color:var(--soft)}
.bandalign-explorer .legend span{display:inline-flex;gap:.35rem;align-items:center;font-variant-numeric:tabular-nums}
.bandalign-explorer .legend i{width:.8rem;height:.8rem;border-radius:3px;display:inline-block;border:1.5px solid transparent}
.bandalign-explorer .said{margin:.5rem 0 0;font-size:.82rem;color:var(--soft);min-height:1.3em}
.bandalign-explorer .notes{margin:.6rem 0 0;font-size:.8rem;color:var(--soft)}
.bandalign-explorer .wide{overflow-x:auto}
.bandalign-explorer table{border-collapse:collapse;width:100%;font-size:.84rem;font-variant-numeric:tabular-nums;margin:0;display:table;color:var(--text)}
.bandalign-explorer th,.bandalign-explorer td{text-align:right;padding:.3rem .4rem;border-bottom:1px solid var(--line);background:none;white-space:normal;vertical-align:bottom}
.bandalign-explorer td{white-space:nowrap}
.bandalign-explorer th{color:var(--soft);font-weight:600}
.bandalign-explorer th:first-child{text-align:left;white-space:nowrap}
.bandalign-explorer tbody th{color:var(--text);font-weight:400}
@container (max-width:420px){.bandalign-explorer th,.bandalign-explorer td{padding:.3rem .2rem;font-size:.8rem}}
@container (min-width:820px){.bandalign-explorer .panels{grid-template:"where when" auto "where numbers" 1fr "gaps gaps" auto/minmax(0,5fr) minmax(0,6fr)}
.bandalign-explorer .where{grid-area:where}.bandalign-explorer .when{grid-area:when}.bandalign-explorer .gaps{grid-area:gaps}.bandalign-explorer .numbers{grid-area:numbers}}
`;
