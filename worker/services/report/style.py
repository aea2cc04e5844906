"""The report's style: one column on a phone, two on a desk, light or dark as the reader likes."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--text:#1b2130;--dim:#5b6477;--line:#e2e5ec;
--accent:#2f5bd7;--past:#a9bdf0;--area:#2f5bd71f;--good:#16794a;--warn:#8f5a00;--bad:#b3261e;
--good-bg:#e3f4ea;--warn-bg:#fdf1dc;--bad-bg:#fce8e6;--held:#e0a030;--failed:#d2453c}
@media (prefers-color-scheme:dark){:root{--bg:#10131a;--card:#181c26;--text:#e7eaf2;--dim:#9aa3b7;
--line:#2a3040;--accent:#7f9dff;--past:#3d4f8a;--area:#7f9dff2b;--good:#6fd6a0;--warn:#f0be6a;
--bad:#ff9a91;--good-bg:#14301f;--warn-bg:#352a12;--bad-bg:#3a1a18}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1160px;margin:0 auto;padding:28px 16px 48px}
h1{font-size:28px;line-height:1.2;margin:0}h2{font-size:19px;margin:0 0 4px}
h3{font-size:15px;margin:0 0 8px}p{margin:0 0 12px}.dim{color:var(--dim)}.small{font-size:14px}
header{display:flex;flex-wrap:wrap;gap:8px 16px;align-items:center;margin-bottom:20px}
header p{flex-basis:100%;margin:0}
.pill{border-radius:99px;padding:2px 12px;font-size:14px;font-weight:600}
.good{color:var(--good);background:var(--good-bg)}.warn{color:var(--warn);background:var(--warn-bg)}
.bad{color:var(--bad);background:var(--bad-bg)}
.note{border-radius:10px;padding:12px 16px;margin:0 0 16px;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:12px;
margin-bottom:16px}
.figure,section{background:var(--card);border:1px solid var(--line);border-radius:12px}
.figure{padding:14px 16px;min-width:0}.figure b{display:block;font-size:22px;line-height:1.3;
font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.figure span{color:var(--dim);font-size:14px;display:block;overflow-wrap:anywhere}
section{padding:20px;margin-bottom:16px;min-width:0}
.pair{display:grid;grid-template-columns:1fr;gap:24px;margin-top:12px}.pair>*{min-width:0}
@media (min-width:820px){.pair{grid-template-columns:1fr 1fr}}
.scroll{overflow-x:auto;margin:8px -4px 0;padding:0 4px}
table{border-collapse:collapse;width:100%;font-size:15px}
th{text-align:left;font-weight:600;color:var(--dim);font-size:13px}
th,td{padding:7px 20px 7px 0;border-bottom:1px solid var(--line);vertical-align:top}
th:last-child,td:last-child{padding-right:0}tr:last-child td{border-bottom:0}
th,td{white-space:nowrap}.num{text-align:right;font-variant-numeric:tabular-nums}
.group{border-top:1px solid var(--line);padding:12px 0 0;margin-top:12px;overflow-wrap:anywhere}
.group p{margin:4px 0 0}
code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
td code{overflow-wrap:normal}
a{color:var(--accent)}summary{cursor:pointer;color:var(--accent);padding:6px 0}
svg{display:block;width:100%;max-width:520px;height:auto;margin:6px 0}
svg text{fill:var(--text);font:11px system-ui,sans-serif;font-variant-numeric:tabular-nums}
svg .label{fill:var(--dim)}svg .end{text-anchor:end}svg .middle{text-anchor:middle}
.bar{fill:var(--accent)}.past{fill:var(--past)}.heldbar{fill:var(--held)}
.failedbar{fill:var(--failed)}.openbar{fill:var(--past)}
.grid,.axis{stroke:var(--line)}.even{stroke:var(--dim);stroke-dasharray:4 4}
.area{fill:var(--area)}.line{fill:none;stroke:var(--accent);stroke-width:2.5}
.key{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:6px}
footer{color:var(--dim);font-size:13px;overflow-wrap:anywhere}
@media (max-width:600px){section{padding:16px}
h1{font-size:24px}.figures{grid-template-columns:1fr 1fr}.figure b{font-size:14px}
.figure{padding:12px}
th,td{padding-right:12px}td:not(.num){white-space:normal}td code,.nobr{white-space:nowrap}}
@media print{body{background:#fff}section,.figure{break-inside:avoid}}
"""
