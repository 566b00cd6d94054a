import { bytes, count, duration } from '../text/number-text.js';
import { html, renderTable, type Html } from '../charts/html.js';
import { linePlot } from '../charts/plot.js';
import { collectKeys, type ReportedRun } from './reported-run.js';
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
  const rows = runs.map((run): Readonly<Record<string, string | undefined>> => {
    const { total, reading } = measurePhases(run);
    const { elapsedMs, rowsPerSecond, seed, step } = run.about;
    const start = run.events.findLast(({ event }) => event === 'start');
    const bytesOfState = start?.weightBytes === undefined ? undefined : start.weightBytes + (start.optimizerBytes ?? 0);
    return {
      'reading data': duration(reading),
      training: duration(elapsedMs),
      'evaluation and checkpoints': duration(Math.max(0, total - reading - elapsedMs)),
      total: duration(total),
      'training rows/s': rowsPerSecond === null ? undefined : count(rowsPerSecond),
      steps: count(step),
      weights: format(start?.numWeights, count),
      'embedding weights': format(start?.numTableWeights, count),
      'memory of weights, optimizer': format(bytesOfState, bytes),
      seed: seed === null ? undefined : String(seed),
    };
  });
  const names = collectKeys(rows).filter((name) => rows.some((row) => row[name] !== undefined));
  const engines = runs.flatMap(({ events }) => events.findLast(({ event }) => event === 'start')?.engine ?? []);
  return html`<div>${renderTable(
    ['', ...(runs.length === 1 ? [] : runs.map(({ name }) => name))],
    names.map((name) => [name, ...rows.map((row) => row[name] ?? '-')]),
  )}<p class="note">${[...new Set(engines)].join('; ')}</p></div>`;
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

function format(value: number | undefined, text: (value: number) => string): string | undefined {
  return value === undefined ? undefined : text(value);
}
