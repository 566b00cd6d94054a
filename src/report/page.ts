import type { Html } from '../charts/html.js';
import { renderFacts, renderPage, type DrawnSection } from '../charts/page.js';
import { count, duration } from '../text/number-text.js';
import { sections } from './all.js';
import type { ReportedRun } from './reported-run.js';

/** Renders the report of one run or several as a self-contained page. */
export function reportPage(runs: readonly ReportedRun[]): string {
  const drawn: DrawnSection[] = [];
  for (const { title, about, draw } of sections) {
    const body = draw(runs);
    if (body !== undefined) drawn.push({ title, about, body });
  }
  return runs.length === 1
    ? renderPage(runs[0]!.about.run, renderRunFacts(runs[0]!), drawn)
    : renderPage(`${runs.length} runs`, undefined, drawn);
}

/** Renders the key facts of a run. */
function renderRunFacts({ about, events }: ReportedRun): Html {
  const { state, model, seed, startedAt, epoch, epochs, step, bestEpoch, monitor, monitored, elapsedMs } = about;
  const engine = events.findLast(({ event }) => event === 'start')?.engine;
  return renderFacts([
    ['model', model ?? '-'],
    ['state', state],
    [
      monitor === null ? 'best epoch' : `best ${monitor}, epoch ${bestEpoch ?? '-'}`,
      monitor === null ? (bestEpoch ?? '-') : (monitored?.toFixed(4) ?? '-'),
    ],
    ['epochs', epochs === null ? epoch : `${epoch} of ${epochs}`],
    ['steps', count(step)],
    ['training time', duration(elapsedMs)],
    ['seed', seed ?? '-'],
    ['started', startedAt?.replace('T', ' ').replace(/\.\d+Z$/, ' UTC') ?? '-'],
    ['engine', engine ?? '-'],
  ]);
}
