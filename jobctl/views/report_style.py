"""The style sheet of a report: light and dark, wide, narrow and on paper."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5b6675;--line:#e3e7ec;--day:#c3cad4;
--ok:#2f9e6e;--bad:#c92a3f;--slow:#b96a00;--off:#8791a0;--run:#2b6fd6;--lost:#8a4fc4;--faint:#cfe8dc}
@media (prefers-color-scheme:dark){:root{--page:#12161c;--card:#1a2029;--ink:#e6eaf0;--soft:#9aa6b5;--line:#2b333f;
--day:#465264;--ok:#43b581;--bad:#ff6b7a;--slow:#f0a63a;--off:#7b8796;--run:#6aa5ff;--lost:#bd93f0;--faint:#23493a}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans",sans-serif}
main{max-width:1280px;margin:0 auto;padding:20px 24px 40px}
h1{font-size:23px;margin:4px 0 2px}h2{font-size:17px;margin:0 0 2px}
p{margin:2px 0 8px}.soft,caption,footer{color:var(--soft);font-size:13px}
section,.figures>div{background:var(--card);border:1px solid var(--line);border-radius:10px}
section{padding:16px 18px;margin:16px 0;overflow:hidden}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:16px 0 0}
.figures>div{padding:11px 15px}.figures dt{color:var(--soft);font-size:13px}
.figures dd{margin:0;font-size:25px;font-weight:600;line-height:1.25;font-variant-numeric:tabular-nums}
.figures dd.note{font-size:13px;font-weight:400;color:var(--soft)}
.worse{color:var(--bad)}.better{color:var(--ok)}
.rows,.beside{display:grid;grid-template-columns:190px minmax(0,1fr) 180px;column-gap:14px;align-items:center}
.rows>*{border-top:1px solid var(--line);padding:3px 0;min-width:0;align-self:stretch}
.rows>.bare{border-top:0}
.rows .name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font-size:14px}
.rows .name small{color:var(--soft);margin-left:6px}
.rows .told{font-size:13px;color:var(--soft);font-variant-numeric:tabular-nums}
.rows .told b{color:var(--ink);font-weight:600}
svg{display:block;width:100%;overflow:visible}svg.axis{height:18px}svg.chart{height:120px}
.beside .scale{align-self:stretch;display:flex;flex-direction:column;justify-content:space-between;font-size:12px;
color:var(--soft);text-align:right;font-variant-numeric:tabular-nums}
.tick{font-size:12px;fill:var(--soft)}.tick.day{fill:var(--ink);font-weight:600}
.grid{stroke:var(--line)}.grid.day{stroke:var(--day)}
.run rect{stroke-width:1.5}.run text{font-size:11px;text-anchor:middle;font-weight:700;paint-order:stroke;
stroke:var(--card);stroke-width:2.5px}
.run.completed{fill:var(--ok)}.run.completed rect{stroke:var(--ok)}
.run.failed{fill:var(--bad)}.run.failed rect{stroke:var(--bad)}
.run.timeout{fill:var(--slow)}.run.timeout rect{stroke:var(--slow)}
.run.cancelled{fill:var(--off)}.run.cancelled rect{stroke:var(--off)}
.run.running{fill:var(--run)}.run.running rect{stroke:var(--run);stroke-dasharray:4 2}
.run.lost{fill:var(--lost)}.run.lost rect{stroke:var(--lost)}
.run rect{fill-opacity:.55}
.ends .completed{fill:var(--ok);fill-opacity:.7}.ends .failed{fill:var(--bad)}.ends .timeout{fill:var(--slow)}
.ends .cancelled{fill:var(--off)}.ends rect{stroke:var(--card);stroke-width:.7}
.queued,.working{fill:none;stroke-width:2;vector-effect:non-scaling-stroke;stroke:var(--run)}
.queued{stroke:var(--slow);stroke-dasharray:5 3}
.median{fill:var(--run)}.p95{fill:var(--run);fill-opacity:.45}.p95end{fill:var(--run)}
.up rect{fill:var(--ok)}.down rect{fill:var(--bad)}.stopped rect{fill:var(--off);fill-opacity:.6}
.endmark{fill:var(--bad);font-size:12px;font-weight:700;text-anchor:middle;paint-order:stroke;stroke:var(--card);
stroke-width:3px}
.fire text{font-size:12px;text-anchor:middle;font-weight:700}.fire line{stroke-width:2}
.fire.fired line{stroke:var(--ok)}.fire.late line{stroke:var(--slow);stroke-width:4}
.fire.missed,.fire.failed{fill:var(--bad)}.fire.skipped{fill:var(--off)}
.key{display:flex;flex-wrap:wrap;gap:3px 16px;margin:4px 0 10px;padding:0;list-style:none;font-size:13px;
color:var(--soft)}
.key svg{display:inline-block;width:26px;height:14px;vertical-align:-2px;margin-right:5px}
table{border-collapse:collapse;width:100%;font-size:14px}
th{font-weight:600;color:var(--soft);font-size:13px;text-align:left}
th,td{padding:4px 14px 4px 0;border-top:1px solid var(--line);vertical-align:top}
thead th{border-top:0}.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
td.message{overflow-wrap:anywhere;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
font-size:13px}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:12.5px}
.nowrap{white-space:nowrap}.name bdi{unicode-bidi:isolate}.any{overflow-wrap:anywhere}
@media screen and (max-width:760px){main{padding:12px 10px 30px}section{padding:12px}.tick.odd{display:none}
.rows{grid-template-columns:minmax(70px,26%) minmax(0,1fr)}
.beside{grid-template-columns:auto minmax(0,1fr);column-gap:8px}.beside>.bare{display:none}
.rows .told{grid-column:1/-1;border-top:0;
padding-top:0}.rows .told:empty{display:none}.figures{grid-template-columns:1fr 1fr;gap:8px}
.figures dd{font-size:21px}.wide{display:none}td.message{min-width:130px}th,td{padding-right:9px}}
@media print{:root{color-scheme:light;--page:#fff;--card:#fff;--ink:#000;--soft:#444;--line:#ddd;--day:#999;
--ok:#2f9e6e;--bad:#c92a3f;--slow:#b96a00;--off:#8791a0;--run:#2b6fd6;--lost:#8a4fc4}
body{font-size:11px}main{max-width:none;padding:0}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
section{break-inside:avoid-page}section.long{break-inside:auto}tr,.rows>*{break-inside:avoid}
.rows,.beside{grid-template-columns:115px minmax(0,1fr) 105px;column-gap:10px}.rows .name{font-size:11px}
.figures{grid-template-columns:repeat(6,1fr)}.figures dd{font-size:16px}}
""".strip()
