// SPDX-License-Identifier: BSL-1.0
#pragma once

/// @file
/// The page around the report: style for light, dark and paper, and the script of the stepper. Nothing is loaded from elsewhere.

namespace bench::page {

inline constexpr char style[] = R"css(
:root { color-scheme: light dark; --bg: #fbfbfa; --fg: #1b1d21; --soft: #5b616b; --rule: #d9dbdf; --box: #fff; --mark: #2563c9;
  --s0: #2563c9; --s1: #b3470a; --s2: #0b7a4b; --s3: #7a3fb8; --s4: #a3194f; --s5: #868d98; --on: #fff; --band: #2563c926; }
@media (prefers-color-scheme: dark) { :root { --bg: #15171b; --fg: #e7e9ec; --soft: #a5acb7; --rule: #363b44; --box: #1d2026;
  --mark: #86b2ff; --s0: #86b2ff; --s1: #ffac66; --s2: #5fd3a0; --s3: #c9a2ff; --s4: #ff8fb3; --s5: #808896; --on: #101215;
  --band: #86b2ff33; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--fg); font: 16px/1.55 system-ui, sans-serif; }
header, main, footer { max-width: 62rem; margin: 0 auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin: 1.5rem 0 .3rem; } h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; border-bottom: 1px solid var(--rule); }
h3 { font-size: 1.05rem; margin: 1.8rem 0 .3rem; } p { margin: .4rem 0 .8rem; max-width: 46rem; }
a { color: var(--mark); } nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }
.skip { position: absolute; left: -100rem; } .skip:focus { position: static; }
:focus-visible { outline: 2px solid var(--mark); outline-offset: 2px; }
.absent { color: var(--soft); font-style: italic; } .big { font-size: 1.1rem; border-left: 3px solid var(--mark); padding-left: .8rem; }
figure { margin: 1rem 0 1.5rem; } svg { display: block; width: 100%; max-width: 46rem; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--fg); } svg text.label { fill: var(--soft); } svg text.ours { font-weight: 700; }
svg text.on { fill: var(--on); }
.grid { stroke: var(--rule); stroke-width: 1; } .axis { stroke: var(--soft); stroke-width: 1; }
.whisker { stroke: var(--fg); stroke-width: 1.5; } .band { fill: var(--band); }
.l { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.l0 { stroke: var(--s0); } .l1 { stroke: var(--s1); stroke-dasharray: 7 4; } .l2 { stroke: var(--s2); stroke-dasharray: 2 3; }
.l3 { stroke: var(--s3); stroke-dasharray: 10 3 2 3; } .l4 { stroke: var(--s4); stroke-dasharray: 5 2; }
.l5 { stroke: var(--s5); stroke-width: 5; }
.f0 { fill: var(--s0); } .f1 { fill: var(--s1); } .f2 { fill: var(--s2); } .f3 { fill: var(--s3); } .f4 { fill: var(--s4); }
.f5 { fill: var(--s5); }
.scroll { overflow-x: auto; } @media screen and (max-width: 42rem) { .scroll > svg { min-width: 40rem; } }
table { border-collapse: collapse; font-size: .9rem; margin: .4rem 0; }
caption { text-align: left; color: var(--soft); padding-bottom: .2rem; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid var(--rule); text-align: right; font-variant-numeric: tabular-nums; }
td { white-space: nowrap; } th { font-weight: 600; } tbody th { font-weight: 400; } .t { text-align: left; }
.good { color: var(--s2); font-weight: 600; } .fair { color: var(--s1); font-weight: 600; } .bad { color: var(--s4); font-weight: 700; }
summary { cursor: pointer; color: var(--mark); width: max-content; max-width: 100%; }
.steps { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .8rem; }
.stepping .steps { display: block; } .stepping .frame:not(.now) { display: none; }
.frame { border: 1px solid var(--rule); background: var(--box); border-radius: .4rem; padding: .5rem .7rem; break-inside: avoid; }
.frame table { width: 100%; font-size: .85rem; } .frame th, .frame td { text-align: left; white-space: normal; padding: .2rem .4rem; }
.chip { display: inline-block; min-width: 1.7rem; padding: 0 .3rem; margin: 1px; border-radius: .25rem; text-align: center;
  border: 1px solid var(--soft); }
.chip.own { background: var(--s0); color: var(--on); border-color: var(--s0); }
.chip.stolen { background: var(--s1); color: var(--on); border-color: var(--s1); }
.controls { display: flex; gap: .5rem; align-items: center; margin: .6rem 0; flex-wrap: wrap; } [hidden] { display: none !important; }
button { font: inherit; color: var(--fg); background: var(--box);
  border: 1px solid var(--soft); border-radius: .35rem; padding: .2rem .9rem; }
footer { color: var(--soft); font-size: .9rem; padding-bottom: 3rem; }
@media print { :root { color-scheme: light; --bg: #fff; --fg: #000; --soft: #444; --rule: #bbb; --box: #fff; --mark: #1a4fa3; --s0: #1a4fa3;
    --s1: #a33f06; --s2: #0b6b43; --s3: #6a33a5; --s4: #8f1343; --s5: #888; --on: #fff; --band: #2563c926; }
  body { font-size: 10.5pt; } nav, .controls, summary, .skip { display: none !important; } svg, tr { break-inside: avoid; }
  figcaption { break-after: avoid; }
  h2, h3 { break-after: avoid; } .scroll { overflow: visible; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  details::details-content { content-visibility: visible; display: block; }
  .stepping .steps { display: grid; } .stepping .frame:not(.now) { display: block; } }
)css";

/// Buttons and arrow keys; without it every frame is on the page. The tabulator key stops only where there is something to
/// scroll. Before printing, what is folded is unfolded.
inline constexpr char script[] = R"js(
"use strict";
for (const box of document.querySelectorAll(".stepper")) {
  const frames = [...box.querySelectorAll(".frame")], said = box.querySelector(".said"), play = box.querySelector(".play");
  let at = 0, timer = 0;
  const show = (i) => {
    at = Math.max(0, Math.min(frames.length - 1, i));
    frames.forEach((f, n) => f.classList.toggle("now", n === at));
    said.textContent = "step " + (at + 1) + " of " + frames.length + ": " + frames[at].querySelector(".what").textContent;
  };
  const stop = () => { clearInterval(timer); timer = 0; play.textContent = "Play"; };
  const start = () => {
    if (at === frames.length - 1) show(0);
    play.textContent = "Pause";
    timer = setInterval(() => { if (at === frames.length - 1) stop(); else show(at + 1); }, 900);
  };
  const move = { first: () => show(0), back: () => show(at - 1), next: () => show(at + 1), last: () => show(frames.length - 1) };
  for (const [name, go] of Object.entries(move)) box.querySelector("." + name).addEventListener("click", () => { stop(); go(); });
  play.addEventListener("click", () => { if (timer) stop(); else start(); });
  box.addEventListener("keydown", (e) => {
    const name = { ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last" }[e.key];
    if (name) { stop(); move[name](); e.preventDefault(); }
  });
  box.querySelector(".controls").hidden = false;
  box.classList.add("stepping");
  show(0);
}
const stops = () => {
  for (const box of document.querySelectorAll(".scroll")) box.tabIndex = box.scrollWidth > box.clientWidth ? 0 : -1;
};
stops();
addEventListener("resize", stops);
document.addEventListener("toggle", stops, true);
addEventListener("beforeprint", () => {
  for (const d of document.querySelectorAll("details:not([open])")) { d.open = true; d.dataset.closed = ""; }
});
addEventListener("afterprint", () => {
  for (const d of document.querySelectorAll("details[data-closed]")) { d.open = false; delete d.dataset.closed; }
});
)js";

}  // namespace bench::page
