import { html, type Html } from '../charts/html.js';
import type { DrawnSection, Page } from '../charts/page.js';
import { sections } from './all.js';
import type { ReportedRun } from './reported-run.js';
import { collectWarnings } from './warnings.js';

/** Draws the report of one run or several. */
export function drawReport(runs: readonly ReportedRun[]): Page {
  const drawn: DrawnSection[] = [];
  for (const { title, about, draw } of sections) {
    const body = draw(runs);
    if (body !== undefined) drawn.push({ title, about, body });
  }
  return runs.length === 1
    ? { title: runs[0]!.about.run, facts: renderRunFacts(runs[0]!), sections: drawn }
    : { title: `${runs.length} runs`, facts: undefined, sections: drawn };
}

/** Renders the key facts of a run in a line. */
function renderRunFacts(run: ReportedRun): Html {
  const { state, model, startedAt, epoch, epochs, bestEpoch } = run.about;
  const numWarnings = collectWarnings(run).length;
  const facts = [
    model,
    state,
    `epoch ${epoch}${epochs === null ? '' : ` of ${epochs}`}${bestEpoch ? `, best ${bestEpoch}` : ''}`,
    startedAt?.replace('T', ' ').replace(/:\d+\.\d+Z$/, ' UTC'),
    numWarnings === 0 ? undefined : `${numWarnings} ${numWarnings === 1 ? 'warning' : 'warnings'} below`,
  ];
  return html`<p class="about">${facts.filter((fact) => fact != null).join(' · ')}</p>`;
}
