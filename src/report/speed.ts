import { bytes, count, duration } from '../text/number-text.js';
import { html, renderTable, type Html } from '../charts/html.js';
import { linePlot } from '../charts/plot.js';
import type { ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** Throughput by epoch and the time of each phase. */
export const speed: Section = {
  title: 'Speed',
  about: 'Training throughput by epoch and the time of each phase; training excludes evaluation and checkpoints.',
  draw(runs) {
    const series = runs.map(({ name, lines: { milestones } }) => ({
      name,
      points: milestones
        .filter(({ isEpochEnd, elapsedMs }) => isEpochEnd !== false && elapsedMs > 0)
        .map(({ epoch, rows, elapsedMs }) => ({ x: epoch, y: (1000 * rows) / elapsedMs })),
    }));
    const chart = series.some(({ points }) => points.length > 0)
      ? linePlot({
          title: 'rows/s',
          x: { title: 'epoch', format: 'd' },
          y: { title: '', format: '~s', zero: true },
          series,
          points: true,
        })
      : undefined;
    return html`<div class="side-by-side">${chart}${renderPhases(runs)}</div>`;
  },
};

function renderPhases(runs: readonly ReportedRun[]): Html {
  const found = runs.map((run) => ({ ...measurePhases(run), training: run.about.elapsedMs }));
  const rest = ({ total, reading, training }: (typeof found)[number]): number =>
    Math.max(0, total - reading - training);
  const rows: readonly (readonly string[])[] = [
    ['reading and encoding data', ...found.map(({ reading }) => duration(reading))],
    ['training', ...found.map(({ training }) => duration(training))],
    ['evaluation, checkpoints and the rest', ...found.map((phase) => duration(rest(phase)))],
    ['total', ...found.map(({ total }) => duration(total))],
    [
      'training rows/s',
      ...runs.map(({ about: { rowsPerSecond } }) => (rowsPerSecond === null ? '-' : count(rowsPerSecond))),
    ],
    ['weights', ...runs.map((run) => formatSize(run, 'numWeights', count))],
    ['embedding weights', ...runs.map((run) => formatSize(run, 'numTableWeights', count))],
    [
      'memory of weights and optimizer state',
      ...runs.map(({ events }) => {
        const start = events.findLast(({ event }) => event === 'start');
        return start?.weightBytes === undefined ? '-' : bytes(start.weightBytes + (start.optimizerBytes ?? 0));
      }),
    ],
  ];
  return renderTable(['phase', ...runs.map(({ name }) => (runs.length === 1 ? '' : name))], rows);
}

/**
 * Sums the wall time of all processes that trained the run, from start or resume to the last event, and the part of it
 * before the data was ready.
 */
function measurePhases({ about: { startedAt }, events }: ReportedRun): {
  readonly total: number;
  readonly reading: number;
} {
  let [total, reading] = [0, 0];
  let startMs = startedAt === null ? undefined : Date.parse(startedAt);
  let lastMs = startMs;
  for (const { event, time } of events) {
    const timeMs = Date.parse(time);
    if (event === 'resume') {
      total += (lastMs ?? timeMs) - (startMs ?? timeMs);
      startMs = timeMs;
    }
    if (event === 'start') reading += timeMs - (startMs ?? timeMs);
    lastMs = timeMs;
  }
  return { total: total + (lastMs ?? 0) - (startMs ?? 0), reading };
}

function formatSize(
  { events }: ReportedRun,
  key: 'numWeights' | 'numTableWeights',
  text: (value: number) => string,
): string {
  const value = events.findLast(({ event }) => event === 'start')?.[key];
  return value === undefined ? '-' : text(value);
}
