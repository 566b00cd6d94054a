import { count, duration } from '../number-text.js';
import { sections } from './all.js';
import { html, type Html, type Part } from './html.js';
import type { ReportedRun } from './reported-run.js';
import { STYLE } from './style.js';

/** Nothing is loaded and nothing runs, whatever a text should say. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** The report of one run or of several: a page that is whole in itself. */
export async function reportPage(runs: readonly ReportedRun[]): Promise<string> {
  const title = runs.length === 1 ? runs[0]!.about.run : `${runs.length} runs`;
  const drawn: { readonly id: string; readonly title: string; readonly section: Html }[] = [];
  for (const [s, { title: name, about, draw }] of sections.entries()) {
    const body = await draw(runs);
    if (body !== undefined) drawn.push({ id: `s${s}`, title: name, section: html`<section id="s${s}"><h2>${name}</h2><p class="about">${about}</p>${body}</section>` });
  }
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<title>${title}</title>
<style>${{ markup: STYLE }}</style>
</head>
<body>
<header><h1>${title}</h1>${runs.length === 1 ? facts(runs[0]!) : undefined}</header>
<nav>${drawn.map(({ id, title: name }) => html`<a href="#${id}">${name}</a>`)}</nav>
<main>${drawn.map(({ section }) => section)}</main>
</body>
</html>
`;
  return page.markup;
}

/** What of a run is told first. */
function facts({ about, events }: ReportedRun): Html {
  const { state, model, seed, startedAt, epoch, epochs, step, bestEpoch, monitor, monitored, elapsedMs } = about;
  const engine = events.findLast(({ event }) => event === 'start')?.engine;
  const all: readonly (readonly [string, Part])[] = [
    ['model', model ?? '-'],
    ['state', state],
    [monitor === null ? 'best epoch' : `best ${monitor}, epoch ${bestEpoch ?? '-'}`, monitor === null ? (bestEpoch ?? '-') : (monitored?.toFixed(4) ?? '-')],
    ['epochs', epochs === null ? epoch : `${epoch} of ${epochs}`],
    ['steps', count(step)],
    ['time in training', duration(elapsedMs)],
    ['seed', seed ?? '-'],
    ['started', startedAt?.replace('T', ' ').replace(/\.\d+Z$/, ' UTC') ?? '-'],
    ['engine', engine ?? '-'],
  ];
  return html`<dl>${all.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
