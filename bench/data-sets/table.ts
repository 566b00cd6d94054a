import { METHODS, type Method, type Scores } from './measure.js';
import type { DataSet } from './sets.js';

/** Scores of a data set: one per seed; may be empty. */
export interface Line {
  readonly set: DataSet;
  readonly scores: Readonly<Record<string, readonly Scores[]>>;
}

const TITLES: Readonly<Record<Method, string>> = {
  init: '`mtl init`, untouched',
  best: 'best config',
  lightgbm: 'LightGBM, defaults',
  'lightgbm-stopped': 'LightGBM, early stopping',
  catboost: 'CatBoost, early stopping',
};
const NOT_MEASURED = '–';
/** Quantiles of Student's t at 97.5% for 1, 2, … degrees of freedom. */
const STUDENT_T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262];
const NORMAL = 1.96;

type Metric = 'auc' | 'logLoss';

/** Renders, in Markdown, a test metric of each label, averaged over seeds, with half of the 95% interval over seeds. */
export function metricTable(lines: readonly Line[], metric: Metric): string {
  return [
    row([metric === 'auc' ? 'AUC' : 'log loss', 'label', ...METHODS.map((method) => TITLES[method])]),
    row(['---', '---', ...METHODS.map(() => '---')]),
    ...lines.flatMap(({ set, scores }) =>
      set.labels.map((label) => {
        const cell = (method: Method): string => withInterval(valuesOf(scores, method, label, metric));
        return row([set.name, label, ...METHODS.map(cell)]);
      }),
    ),
  ].join('\n');
}

/** Renders mean differences to LightGBM with early stopping, in units of 1e-4, over the labels of groups of sets. */
export function summaryTable(lines: readonly Line[]): string {
  const groups: Readonly<Record<string, readonly Line[]>> = {
    tuning: lines.filter(({ set }) => set.purpose === 'tuning'),
    judging: lines.filter(({ set }) => set.purpose === 'judging'),
    'many ids': lines.filter(({ set }) => set.hasManyIds === true),
    all: lines,
  };
  const others = METHODS.filter((method) => method !== 'lightgbm-stopped');
  return [
    row(['AUC − AUC of LightGBM, early stopping', ...others.map((method) => TITLES[method])]),
    row(['---', ...others.map(() => '---:')]),
    ...Object.entries(groups).map(([name, group]) =>
      row([name, ...others.map((method) => meanDifference(group, method))]),
    ),
  ].join('\n');
}

function meanDifference(lines: readonly Line[], method: Method): string {
  const differences = lines.flatMap(({ set, scores }) =>
    set.labels.flatMap((label) => {
      const [own, trees] = ([method, 'lightgbm-stopped'] as const).map((each) => valuesOf(scores, each, label, 'auc'));
      return own!.length === 0 || trees!.length === 0 ? [] : [mean(own!) - mean(trees!)];
    }),
  );
  return differences.length === 0 ? NOT_MEASURED : (10_000 * mean(differences)).toFixed(0);
}

function valuesOf(scores: Line['scores'], method: Method, label: string, metric: Metric): readonly number[] {
  return (scores[method] ?? []).map(({ metrics }) => metrics[label]![metric]);
}

function withInterval(values: readonly number[]): string {
  if (values.length === 0) return NOT_MEASURED;
  const center = mean(values);
  if (values.length < 2) return shareText(center);
  const variance = values.reduce((sum, value) => sum + (value - center) ** 2, 0) / (values.length - 1);
  const half = (STUDENT_T[values.length - 2] ?? NORMAL) * Math.sqrt(variance / values.length);
  return `${shareText(center)} ± ${shareText(half)}`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

/** Formats a number below 1 without the zero before its point, so that rows are short. */
function shareText(value: number): string {
  return value.toFixed(4).replace(/^0(?=\.)/, '');
}
