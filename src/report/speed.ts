import { bytes, count, duration } from '../text/number-text.js';
import { html, tableOf, type Html } from '../charts/html.js';
import { linePlot } from '../charts/plot.js';
import type { ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** How fast it went, and where the time went. */
export const speed: Section = {
  title: 'Speed',
  about:
    'Rows a second while training, epoch by epoch, and the time of each phase; training excludes measuring and saving.',
  draw(runs) {
    const series = runs.map(({ name, lines: { milestones } }) => ({
      name,
      points: milestones
        .filter(({ isEpochEnd, elapsedMs }) => isEpochEnd !== false && elapsedMs > 0)
        .map(({ epoch, rows, elapsedMs }) => ({ x: epoch, y: (1000 * rows) / elapsedMs })),
    }));
    const chart = series.some(({ points }) => points.length > 0)
      ? linePlot({
          title: 'rows a second',
          x: { title: 'epoch', format: 'd' },
          y: { title: '', format: '~s', zero: true },
          series,
          points: true,
        })
      : undefined;
    return html`<div class="beside">${chart}${phases(runs)}</div>`;
  },
};

function phases(runs: readonly ReportedRun[]): Html {
  const found = runs.map((run) => ({ ...phasesOf(run), training: run.about.elapsedMs }));
  const rest = ({ total, reading, training }: (typeof found)[number]): number =>
    Math.max(0, total - reading - training);
  const rows: readonly (readonly string[])[] = [
    ['finding, reading and learning data', ...found.map(({ reading }) => duration(reading))],
    ['training', ...found.map(({ training }) => duration(training))],
    ['measuring, saving, all else', ...found.map((phase) => duration(rest(phase)))],
    ['together', ...found.map(({ total }) => duration(total))],
    [
      'rows a second in training',
      ...runs.map(({ about: { rowsPerSecond } }) => (rowsPerSecond === null ? '-' : count(rowsPerSecond))),
    ],
    ['weights', ...runs.map((run) => sizeOf(run, 'numWeights', count))],
    ['numbers in embedding tables', ...runs.map((run) => sizeOf(run, 'numTableWeights', count))],
    [
      'memory of weights and optimizer',
      ...runs.map(({ events }) => {
        const start = events.findLast(({ event }) => event === 'start');
        return start?.weightBytes === undefined ? '-' : bytes(start.weightBytes + (start.optimizerBytes ?? 0));
      }),
    ],
  ];
  return tableOf(['phase', ...runs.map(({ name }) => (runs.length === 1 ? '' : name))], rows);
}

/**
 * Times of all processes that trained the run: from the beginning, or from where it went on, to what each wrote last.
 * Training begins where the
 * data is there.
 */
function phasesOf({ about: { startedAt }, events }: ReportedRun): { readonly total: number; readonly reading: number } {
  let [total, reading] = [0, 0];
  let begin = startedAt === null ? undefined : Date.parse(startedAt);
  let last = begin;
  for (const { event, time } of events) {
    const at = Date.parse(time);
    if (event === 'resume') {
      total += (last ?? at) - (begin ?? at);
      begin = at;
    }
    if (event === 'start') reading += at - (begin ?? at);
    last = at;
  }
  return { total: total + (last ?? 0) - (begin ?? 0), reading };
}

function sizeOf(
  { events }: ReportedRun,
  key: 'numWeights' | 'numTableWeights',
  text: (value: number) => string,
): string {
  const value = events.findLast(({ event }) => event === 'start')?.[key];
  return value === undefined ? '-' : text(value);
}
