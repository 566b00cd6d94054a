import type { OutputReport } from '../evaluation/evaluation.js';
import type { Metric } from '../evaluation/metric.js';
import { count } from '../text/number-text.js';
import { html, renderDetails, renderTable, type Html, type Part } from '../charts/html.js';
import { ALL_ROWS } from './by-output.js';
import {
  compare,
  compareWithMeanRate,
  estimate,
  renderSigned,
  verdict,
  type Comparison,
  type Estimate,
  type Measure,
} from './comparison.js';
import { collectKeys, collectOutputs, mainReport, mainSplit, sortSplits, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

/** Metrics of the best weights with intervals and differences; of several runs, the best is marked. */
export const results: Section = {
  title: 'Results',
  about: '± is half of a 95% interval. ✓ is better and ✗ is worse: the interval of the difference excludes 0.',
  draw(runs) {
    const { main, all } = collectOutputs(runs.map(mainReport));
    const failures = runs.flatMap((run) => renderFailure(run, runs.length > 1));
    if (main.length === 0) return failures.length === 0 ? undefined : html`${failures}`;
    const render = (outputs: readonly string[]): Html => renderFamilies(runs, outputs);
    const folded = all.length === 0 ? undefined : html`<p class="note">${ALL_ROWS}</p>${render(all)}`;
    const details = [
      folded && renderDetails(`On all rows: ${all.join(', ')}`, folded),
      runs.length === 1 ? renderSplits(runs[0]!) : undefined,
    ];
    return html`${failures}${renderAnswer(runs, main)}${render(main)}${renderNotes(runs)}${details}`;
  },
};

/** Names the state of a run that is not completed, with the error that ended it. */
function renderFailure({ name, about: { state }, events }: ReportedRun, isNamed: boolean): readonly Html[] {
  if (state === 'completed') return [];
  const message = events.findLast(({ event }) => event === 'failure')?.err?.message;
  const text = state === 'failed' && message !== undefined ? `${state}: ${message}` : state;
  return [html`<p class="alert">${isNamed ? `${name} ` : ''}${text}</p>`];
}

/** A model that a run is compared with. */
interface Column {
  readonly title: string;
  /** Its name in a sentence. */
  readonly words: string;
  read(measure: Measure): Comparison | undefined;
}

/** Lists the models that a run is compared with. */
function listColumns(run: ReportedRun): readonly Column[] {
  return [
    { title: 'mean rate', words: 'predicting the mean rate', read: (measure) => compareWithMeanRate(run, measure) },
    ...listBaselines(run),
    ...run.references.map((reference): Column => ({
      title: reference.name,
      words: reference.name,
      read: (measure) => compare(run, reference, measure),
    })),
  ];
}

/** Lists the baseline that was trained next to a run, if any. Its rows are not stored, so there are no intervals. */
function listBaselines(run: ReportedRun): readonly Column[] {
  const { baseline } = run.about;
  if (baseline === null) return [];
  const { name, split, metrics } = baseline;
  const reference = { name, metrics: { [split]: metrics }, scores: {}, measures: run.measures };
  return [{ title: name, words: `the ${name} baseline`, read: (measure) => compare(run, reference, measure) }];
}

/** Renders the main metric, and its differences in words. */
function renderAnswer(runs: readonly ReportedRun[], outputs: readonly string[]): Html | undefined {
  const measured = runs.find((each) => mainSplit(each) !== undefined)!;
  const measure = selectMeasure(measured, outputs);
  const run = (measure && findBest(runs, measure)) ?? measured;
  const own = measure && estimate(run, measure);
  if (own === undefined) return undefined;
  const { output, split, metric } = measure!;
  // Differences from the first run; if it is the best, those of the others, with the opposite sign.
  const inverted = runs.filter(({ references }) => references.some(({ name }) => name === run.name));
  const differences = [
    ...listColumns(run).map(({ words, read }) => ({ words, difference: read(measure!)?.difference })),
    ...inverted.map((other) => {
      const reference = other.references.find(({ name }) => name === run.name)!;
      const found = compare(other, reference, measure!)?.difference;
      return { words: other.name, difference: found && { ...found, value: -found.value } };
    }),
  ];
  const lines = differences.flatMap(({ words, difference }) => {
    if (difference === undefined) return [];
    const found = verdict(metric, difference);
    const unclear = difference.half === undefined ? 'difference from' : 'no clear difference from';
    const start = found === undefined ? unclear : `${found} than`;
    return [html`<li>${start} ${words}: ${renderDifference(metric, difference)}</li>`];
  });
  const title = `${runs.length > 1 ? `best: ${run.name}, ` : ''}${output}.${metric.values[0].name} on ${split}`;
  return html`<div class="answer"><p>${title}
<strong>${own.value.toFixed(4)}</strong> ${renderHalf(own)}</p><ul>${lines}</ul></div>`;
}

/** Selects the monitored metric, or else the first of the last output, which is the end of a funnel. */
function selectMeasure(run: ReportedRun, outputs: readonly string[]): Measure | undefined {
  const split = mainSplit(run);
  if (split === undefined) return undefined;
  const measures = [...outputs]
    .reverse()
    .flatMap((output) => run.measures.map((metric) => ({ split, output, metric })));
  const isMonitored = ({ output, metric }: Measure): boolean =>
    `${output}.${metric.values[0].name}` === run.about.monitor;
  const hasInterval = (measure: Measure): boolean => estimate(run, measure)?.half !== undefined;
  const isDefined = (measure: Measure): boolean => estimate(run, measure) !== undefined;
  return measures.find(isMonitored) ?? measures.find(hasInterval) ?? measures.find(isDefined);
}

/** Finds the run with the best value; undefined for a single run or a metric without a direction. */
function findBest(runs: readonly ReportedRun[], { split, output, metric }: Measure): ReportedRun | undefined {
  const [{ goal }] = metric.values;
  if (goal === 'none' || runs.length === 1) return undefined;
  const values = runs.flatMap((run) => {
    const own = estimate(run, { split, output, metric });
    return own === undefined ? [] : [{ run, value: goal === 'higher' ? own.value : -own.value }];
  });
  return values.sort((a, b) => b.value - a.value)[0]?.run;
}

/** Renders one table per metric of a single run; one per output and metric of several. */
function renderFamilies(runs: readonly ReportedRun[], outputs: readonly string[]): Html {
  const metrics = [...new Map(runs.flatMap((run) => run.measures.map((metric) => [metric.values[0].name, metric])))];
  const tables =
    runs.length === 1
      ? metrics.map(([, metric]) => renderOutputs(runs[0]!, outputs, metric))
      : outputs.flatMap((output) => metrics.map(([, metric]) => renderRuns(runs, output, metric)));
  return html`<div class="tables">${tables}</div>`;
}

/** Renders a metric of a run: a row per output, a column per model. */
function renderOutputs(run: ReportedRun, outputs: readonly string[], metric: Metric): Html | undefined {
  const split = mainSplit(run)!;
  const rows = outputs.flatMap((output) => {
    const measure = { split, output, metric };
    return hasMetric(run.metrics[split]?.[output], metric) ? [{ output, measure, own: estimate(run, measure) }] : [];
  });
  const columns = listColumns(run).filter(({ read }) => rows.some(({ measure }) => read(measure) !== undefined));
  return renderCard(
    metric,
    metric.values[0].name,
    [split, ...columns.map(({ title }) => title)],
    rows.map(({ output, measure, own }) => [
      output,
      renderOwn(own),
      ...columns.map(({ read }) => renderComparison(metric, read(measure))),
    ]),
  );
}

/** Renders a metric of an output: a row per run, with its difference from the first. */
function renderRuns(runs: readonly ReportedRun[], output: string, metric: Metric): Html | undefined {
  // Runs without the first split have no test set: their metrics are of the validation set and cannot be the best.
  const [first, ...others] = [...new Set(runs.flatMap((run) => mainSplit(run) ?? []))].sort();
  const best = findBest(runs, { split: first ?? '', output, metric });
  const rows = runs.flatMap((run) => {
    const measure = { split: mainSplit(run) ?? '', output, metric };
    const own = estimate(run, measure);
    const reference = run.references.find(({ name: other }) => other === runs[0]!.name);
    const difference = reference && compare(run, reference, measure)?.difference;
    const mark = run === best ? html` <small class="better">best</small>` : undefined;
    const name = html`${run.name}${mark}${others.length > 0 ? html` <small>${measure.split}</small>` : undefined}`;
    return own === undefined ? [] : [[name, renderOwn(own), difference && renderDifference(metric, difference)]];
  });
  return renderCard(metric, `${output}.${metric.values[0].name}`, ['', `− ${runs[0]!.name}`], rows);
}

function renderCard(
  metric: Metric,
  title: string,
  header: readonly Part[],
  rows: readonly (readonly Part[])[],
): Html | undefined {
  if (rows.length === 0) return undefined;
  const [{ goal }] = metric.values;
  const hint = goal === 'none' ? undefined : html` <small>${goal} is better</small>`;
  return html`<figure><figcaption>${title}${hint}</figcaption>${renderTable(['', ...header], rows)}</figure>`;
}

/** Reports whether an output has a metric, with or without a value. */
function hasMetric(report: OutputReport | undefined, { values: [{ name }] }: Metric): boolean {
  return report?.[name] !== undefined;
}

function renderOwn(own: Estimate | undefined): Html {
  return own === undefined ? html`-` : html`${own.value.toFixed(4)}${renderHalf(own)}`;
}

function renderComparison(metric: Metric, found: Comparison | undefined): Html | undefined {
  if (found === undefined) return undefined;
  const difference = found.difference && renderDifference(metric, found.difference);
  return html`${found.value.toFixed(4)}<small>${difference}</small>`;
}

/** Renders a signed difference with its interval and its mark. */
function renderDifference(metric: Metric, difference: Estimate): Html {
  return html`${renderSigned(difference.value, verdict(metric, difference))}
${renderHalf(difference)}`;
}

function renderHalf({ half }: Estimate): Html | undefined {
  return half === undefined ? undefined : html`<span class="half">±${half.toFixed(4)}</span>`;
}

/** Explains metrics without a value, and rows that are not paired. */
function renderNotes(runs: readonly ReportedRun[]): Html {
  const notes = runs.flatMap((run) => [
    ...Object.entries(mainReport(run))
      .filter(([output]) => !output.endsWith(']'))
      .flatMap(([output, { reasons = {} }]) =>
        Object.entries(reasons).map(([metric, reason]) => `${output}.${metric}: ${reason}`),
      ),
    ...run.references.flatMap(({ note }) => note ?? []),
  ]);
  return html`${[...new Set(notes)].map((note) => html`<p class="note">${note}</p>`)}`;
}

/** Renders all values of all splits, with a row per output and value. */
function renderSplits({ metrics }: ReportedRun): Html {
  const splits = sortSplits(metrics);
  const { main, all } = collectOutputs(splits.map(([, report]) => report));
  const rows = [...main, ...all].flatMap((output) => {
    const reports = splits.map(([, report]) => report[output] ?? { rows: 0 });
    return collectKeys(reports)
      .filter((name) => reports.some((report) => report[name] === null || typeof report[name] === 'number'))
      .map((name) => [`${output}.${name}`, ...reports.map((report) => formatValue(name, report[name]))]);
  });
  return renderDetails('All values by split', renderTable(['', ...splits.map(([split]) => split)], rows));
}

function formatValue(name: string, value: unknown): string {
  if (typeof value !== 'number') return '-';
  // Counts of rows and groups are integers; the others are metrics.
  return /(^|_)(rows|positives|[a-z]*groups)$/i.test(name) ? count(value) : value.toFixed(4);
}
