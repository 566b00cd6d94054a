/** Colors of the light theme. */
const LIGHT: Readonly<Record<string, string>> = {
  paper: '#fff',
  ink: '#1d2731',
  muted: '#5a6673',
  line: '#9aa5b1',
  grid: '#e6e9ed',
  card: '#f6f7f9',
  c1: '#2563b0',
  c2: '#c2570c',
  c3: '#16794c',
  c4: '#9333a8',
  c5: '#b0205a',
  c6: '#7a6508',
  r1: '#440154',
  r2: '#3b528b',
  r3: '#21918c',
  r4: '#5ec962',
  r5: '#d8c81e',
};
const ROOT = Object.entries(LIGHT)
  .map(([name, color]) => `--${name}: ${color};`)
  .join(' ');

/** CSS of the page: light or dark as the system is, and readable on a phone. */
export const STYLE = `
:root { color-scheme: light dark; ${ROOT} }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14191f; --ink: #e3e8ee; --muted: #a0abb7; --line: #5f6b78; --grid: #2a323b; --card: #1b222a;
  --c1: #6aa9f4; --c2: #f0944d; --c3: #55c492; --c4: #cf8fe0; --c5: #ef7ea7; --c6: #d3bb4e;
  --r1: #fde725; --r2: #5ec962; --r3: #21918c; --r4: #31688e; --r5: #5b4a9a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.25rem clamp(0.75rem, 3vw, 2rem) 4rem; max-width: 80rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; line-height: 1.3; margin: 0; }
section { margin-top: 2rem; padding-top: 1.25rem; border-top: 1px solid var(--grid); }
p { margin: 0.25rem 0 0.75rem; max-width: 48rem; overflow-wrap: anywhere; }
li { overflow-wrap: anywhere; }
.about, .note, figcaption, nav, small { color: var(--muted); }
.about, .note { font-size: 0.88rem; } .note { margin: 0.25rem 0; }
.alert { padding: 0.6rem 0.8rem; border-left: 4px solid var(--c5); background: var(--card); border-radius: 4px; }
.better { color: var(--c3); } .worse { color: var(--c5); } .answer .better, .answer .worse { font-weight: 600; }
nav { display: flex; flex-wrap: wrap; gap: 0.1rem 1rem; margin-top: 0.75rem; font-size: 0.88rem; }
a { color: var(--c1); text-decoration-color: color-mix(in srgb, currentColor 35%, transparent); }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 0.5rem; margin: 1rem 0; }
dl div { background: var(--card); border-radius: 6px; padding: 0.5rem 0.75rem; min-width: 0; }
dl div:last-child { grid-column: 1 / -1; }
dt { color: var(--muted); font-size: 0.8rem; overflow-wrap: anywhere; }
dd { margin: 0; font-size: 1.05rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.answer { display: flex; flex-wrap: wrap; align-items: flex-end; gap: 0.25rem 2rem; margin: 0.75rem 0 1rem; }
.answer p { margin: 0; color: var(--muted); } .answer ul { margin: 0; padding: 0; list-style: none; }
.answer strong { display: block; color: var(--ink); font-size: 2.4rem; line-height: 1.15; letter-spacing: -0.02em; }
.answer p, .answer li { font-variant-numeric: tabular-nums; }
.charts, .tables { display: grid; gap: 0.75rem; margin: 0.75rem 0; align-items: start; }
.tables { align-items: stretch; }
.charts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
.tables { grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); }
.side-by-side { display: flex; flex-wrap: wrap; gap: 0.75rem 2rem; align-items: flex-start; margin: 0.75rem 0; }
.side-by-side figure { flex: 0 1 24rem; } .side-by-side .wide { flex: 0 1 auto; } .side-by-side > div { min-width: 0; }
figure { margin: 0; padding: 0.7rem 0.8rem 0.6rem; background: var(--card); border-radius: 8px; min-width: 0; }
figcaption { font-size: 0.9rem; font-weight: 600; color: var(--ink); overflow-wrap: anywhere; }
figcaption small { font-weight: 400; }
.chart svg { display: block; width: 100%; max-width: 27rem; height: auto; margin-top: 0.3rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0 0.9rem; font-size: 0.8rem; color: var(--muted); }
.legend span { display: inline-flex; align-items: center; gap: 0.35rem; overflow-wrap: anywhere; }
.swatch { width: 18px; flex: none; }
details { margin: 0.75rem 0; } summary { cursor: pointer; color: var(--c1); font-size: 0.88rem; padding: 0.25rem 0; }
.wide { overflow-x: auto; max-width: 100%; margin: 0.4rem 0; }
table { border-collapse: collapse; font-size: 0.88rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.7rem; border-bottom: 1px solid var(--grid); text-align: right;
  white-space: nowrap; vertical-align: top; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { color: var(--muted); font-weight: 400; font-size: 0.8rem; vertical-align: bottom; }
th:first-child { position: sticky; left: 0; background: var(--paper); text-align: left; padding-left: 0;
  font-weight: 600; }
td:last-child, th:last-child { padding-right: 0; } th small { font-weight: 400; }
figure table { width: 100%; } figure th, figure td { padding: 0.25rem 0.4rem; white-space: normal; }
figure th:first-child { background: var(--card); overflow-wrap: anywhere; min-width: 3.4rem; padding-left: 0; }
td small, td .half { display: block; font-size: 0.76rem; line-height: 1.35; } td span { white-space: nowrap; }
.half { color: var(--muted); font-weight: 400; } td small .half { font-size: 1em; }
@media (max-width: 30rem) { th, td { padding: 0.25rem 0.4rem; } figure { padding: 0.7rem 0.5rem 0.6rem; }
  figure table { font-size: 0.82rem; } figure th, figure td { padding-left: 0.15rem; padding-right: 0.15rem; } }
.texts td, .texts thead th { text-align: left; white-space: normal; overflow-wrap: anywhere;
  min-width: 6rem; max-width: 40rem; }
.texts tbody th { font-weight: 400; }
pre { margin: 0.5rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
code { font: 0.92em ui-monospace, monospace; }
`;

/** Replaces CSS variables by light colors, for a chart outside a page. */
export function onPaper(drawing: string): string {
  return drawing.replace(/var\(--(\w+)\)/g, (_, name: string) => LIGHT[name]!);
}
