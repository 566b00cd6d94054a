import type { Report, OutputReport } from '../evaluation/evaluation.js';
import { count } from '../text/number-text.js';
import { html, tableOf, type Html } from '../charts/html.js';
import { lastReport, namesIn, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** Metrics of the best weights. */
export const scores: Section = {
  title: 'Scores',
  about:
    'Of the weights of the best epoch. A dash is a metric that has no value on these rows. Segments stand in Calibration by segment.',
  draw: (runs) => (runs.length === 1 ? ofOne(runs[0]!) : ofSeveral(runs)),
};

function ofOne({ about: { metrics } }: ReportedRun): Html | undefined {
  const splits = Object.entries(metrics);
  if (splits.length === 0) return undefined;
  return html`<div class="beside">${splits.map(([split, report]) => {
    const spaces = wholeSpaces(report);
    const names = metricsIn(spaces.map(([, values]) => values));
    return html`<div>${tableOf(
      [split, ...names],
      spaces.map(([space, values]) => [space, ...names.map((name) => cell(name, values[name]))]),
    )}${reasons(spaces)}</div>`;
  })}</div>`;
}

/** Runs below each other, a column a metric. */
function ofSeveral(runs: readonly ReportedRun[]): Html | undefined {
  const rows = runs.map((run) => ({ run, ...lastReport(run) }));
  const spaces = namesIn(rows.map(({ report = {} }) => Object.fromEntries(wholeSpaces(report))));
  if (spaces.length === 0) return undefined;
  const table = (space: string): Html => {
    const names = metricsIn(rows.flatMap(({ report }) => report?.[space] ?? []));
    return tableOf(
      [space, 'split', ...names],
      rows.map(({ run, split, report }) => [
        run.name,
        split ?? '-',
        ...names.map((name) => cell(name, report?.[space]?.[name])),
      ]),
    );
  };
  return html`${spaces.map(table)}`;
}

/** Spaces over all their rows: a segment has its column and value in brackets. */
export function wholeSpaces(report: Report): readonly (readonly [string, OutputReport])[] {
  return Object.entries(report).filter(([space]) => !space.endsWith(']'));
}

function metricsIn(spaces: readonly OutputReport[]): readonly string[] {
  return namesIn(spaces).filter((name) =>
    spaces.some((values) => values[name] === null || typeof values[name] === 'number'),
  );
}

function cell(name: string, value: unknown): string {
  if (typeof value !== 'number') return '-';
  return isCount(name) ? count(value) : value.toFixed(4);
}

/** Whether a number of a report counts rows or groups; the others are metrics. */
export function isCount(name: string): boolean {
  return /(^|_)(rows|positives|[a-z]*groups)$/i.test(name);
}

function reasons(spaces: readonly (readonly [string, OutputReport])[]): Html {
  const all = spaces.flatMap(([space, { reasons: byMetric = {} }]) =>
    Object.entries(byMetric).map(([metric, reason]) => `${space}.${metric}: ${reason}`),
  );
  return html`${all.map((reason) => html`<p class="note">${reason}</p>`)}`;
}
