import type { Report, OutputReport } from '../evaluation/evaluation.js';
import { count } from '../text/number-text.js';
import { html, renderTable, type Html } from '../charts/html.js';
import { lastReport, collectKeys, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** Metrics of the best weights, of one run or several. */
export const scores: Section = {
  title: 'Scores',
  about:
    'Metrics of the best epoch. A dash marks a metric that is undefined on these rows. For segments, see ' +
    'Calibration by segment.',
  draw: (runs) => (runs.length === 1 ? renderOne(runs[0]!) : renderSeveral(runs)),
};

function renderOne({ about: { metrics, baseline } }: ReportedRun): Html | undefined {
  const splits = Object.entries(metrics);
  if (splits.length === 0) return undefined;
  const simple = baseline === null ? [] : [[`${baseline.split}, ${titleOf(baseline)}`, baseline.metrics] as const];
  return html`<div class="side-by-side">${[...splits, ...simple].map(([split, report]) => {
    const outputs = withoutSegments(report);
    const names = collectMetrics(outputs.map(([, values]) => values));
    return html`<div>${renderTable(
      [split, ...names],
      outputs.map(([output, values]) => [output, ...names.map((name) => formatCell(name, values[name]))]),
    )}${renderReasons(outputs)}</div>`;
  })}</div>`;
}

/** Renders one table per output, with a row per run and a column per metric. */
function renderSeveral(runs: readonly ReportedRun[]): Html | undefined {
  const rows = runs.flatMap((run) => {
    const { baseline } = run.about;
    return [
      { name: run.name, ...lastReport(run) },
      ...(baseline === null
        ? []
        : [{ name: `${run.name}, ${titleOf(baseline)}`, split: baseline.split, report: baseline.metrics }]),
    ];
  });
  const outputs = collectKeys(rows.map(({ report = {} }) => Object.fromEntries(withoutSegments(report))));
  if (outputs.length === 0) return undefined;
  const table = (output: string): Html => {
    const names = collectMetrics(rows.flatMap(({ report }) => report?.[output] ?? []));
    return renderTable(
      [output, 'split', ...names],
      rows.map(({ name, split, report }) => [
        name,
        split ?? '-',
        ...names.map((name) => formatCell(name, report?.[output]?.[name])),
      ]),
    );
  };
  return html`${outputs.map(table)}`;
}

/** Removes segments, whose names end with the column and value in brackets. */
export function withoutSegments(report: Report): readonly (readonly [string, OutputReport])[] {
  return Object.entries(report).filter(([output]) => !output.endsWith(']'));
}

/** Returns the title of a baseline, with the training rows that it read. */
function titleOf({ name, rows }: NonNullable<ReportedRun['about']['baseline']>): string {
  return `${name} baseline (${count(rows)} rows)`;
}

function collectMetrics(outputs: readonly OutputReport[]): readonly string[] {
  return collectKeys(outputs).filter((name) =>
    outputs.some((values) => values[name] === null || typeof values[name] === 'number'),
  );
}

function formatCell(name: string, value: unknown): string {
  if (typeof value !== 'number') return '-';
  return isCount(name) ? count(value) : value.toFixed(4);
}

/** Whether an entry of a report counts rows or groups; the others are metrics. */
export function isCount(name: string): boolean {
  return /(^|_)(rows|positives|[a-z]*groups)$/i.test(name);
}

function renderReasons(outputs: readonly (readonly [string, OutputReport])[]): Html {
  const all = outputs.flatMap(([output, { reasons: byMetric = {} }]) =>
    Object.entries(byMetric).map(([metric, reason]) => `${output}.${metric}: ${reason}`),
  );
  return html`${all.map((reason) => html`<p class="note">${reason}</p>`)}`;
}
