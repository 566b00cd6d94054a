import { html, type Html } from '../charts/html.js';
import { linePlot, type Series } from '../charts/plot.js';
import { collectKeys, type ReportedRun } from './reported-run.js';
import { isCount, withoutSegments } from './scores.js';
import type { Section } from './section.js';

const STEP = { title: 'steps', format: '~s' } as const;
/** Maximum number of metric charts; the first metrics win. */
const MAX_CURVES = 24;

/** Losses, metrics, learning rates, loss weights and gradient norms by step. */
export const curves: Section = {
  title: 'Training',
  about: 'Losses and validation metrics by step. A ring marks the best epoch.',
  draw(runs) {
    const groups = [[...losses(runs), ...rates(runs)], metrics(runs)].filter((charts) => charts.length > 0);
    return groups.length === 0 ? undefined : html`${groups.map((charts) => html`<div class="charts">${charts}</div>`)}`;
  },
};

function losses(runs: readonly ReportedRun[]): readonly Html[] {
  const [only, ...others] = runs;
  const series: readonly Series[] =
    only !== undefined && others.length === 0
      ? collectLosses(only)
      : runs.flatMap((run) =>
          collectLosses(run)
            .filter(({ name }) => name === 'train')
            .map((line) => ({ ...line, name: run.name })),
        );
  const filled = series.filter(({ points }) => points.length > 0);
  return filled.length === 0
    ? []
    : [linePlot({ title: 'loss', x: STEP, y: { title: 'loss' }, series: filled, points: isShort(filled) })];
}

/** Collects training losses by logged step, or else by epoch, and validation losses. */
function collectLosses({ lines: { steps, milestones } }: ReportedRun): readonly Series[] {
  const train = steps.length > milestones.length ? steps : milestones;
  return [
    { name: 'train', points: train.map(({ step, train: { loss } }) => ({ x: step, y: loss })) },
    {
      name: 'valid',
      points: milestones.flatMap(({ step, valid }) => (valid === undefined ? [] : [{ x: step, y: valid.loss }])),
    },
  ];
}

function metrics(runs: readonly ReportedRun[]): readonly Html[] {
  const reports = runs.map(({ lines: { milestones } }) =>
    milestones.flatMap(({ epoch, step, isBest, valid }) =>
      valid === undefined ? [] : [{ epoch, step, isBest, outputs: Object.fromEntries(withoutSegments(valid.metrics)) }],
    ),
  );
  const all = reports.flat().map(({ outputs }) => outputs);
  const numbers = collectKeys(all.flatMap((outputs) => Object.values(outputs))).filter((metric) => !isCount(metric));
  const candidates = numbers.flatMap((metric) => collectKeys(all).map((output) => ({ output, metric })));
  const charts = candidates.map(({ output, metric }) => {
    const series = reports.map((milestones, r) => ({
      name: runs[r]!.name,
      points: milestones.flatMap(({ step, outputs }) => {
        const value = outputs[output]?.[metric];
        return typeof value === 'number' ? [{ x: step, y: value }] : [];
      }),
    }));
    const marked = reports.flatMap((milestones, r) =>
      series[r]!.points.filter(({ x }) => x === milestones.findLast(({ isBest }) => isBest)?.step).map(({ x, y }) => ({
        x,
        y,
        series: r,
      })),
    );
    return { title: `${output}.${metric} on valid`, series, marked };
  });
  const drawn = charts.filter(({ series }) => series.some(({ points }) => points.length > 0)).slice(0, MAX_CURVES);
  return drawn.map(({ title, series, marked }) =>
    linePlot({ title, x: STEP, y: { title: '' }, series, marked, points: isShort(series) }),
  );
}

/** Draws learning rates relative to the config, loss weights and gradient norms, if they change. */
function rates(runs: readonly ReportedRun[]): readonly Html[] {
  const only = runs.length === 1 ? runs[0]! : undefined;
  if (only === undefined) return [];
  const { steps } = only.lines;
  const buildSeries = (values: readonly Readonly<Record<string, number>>[]): readonly Series[] =>
    collectKeys(values).map((name) => ({
      name,
      points: steps.map(({ step }, i) => ({ x: step, y: values[i]![name]! })),
    }));
  const candidates = [
    { title: 'learning rate, relative to the config', series: buildSeries(steps.map(({ lrFactors }) => lrFactors)) },
    { title: 'loss weights', series: buildSeries(steps.map(({ lossWeights }) => lossWeights)) },
    { title: 'gradient norms', series: buildSeries(steps.map(({ gradNorms = {} }) => gradNorms)) },
  ];
  const moving = candidates.filter(({ series }) =>
    series.some(({ points }) => new Set(points.map(({ y }) => y)).size > 1),
  );
  return moving.map(({ title, series }) => linePlot({ title, x: STEP, y: { title: '' }, series }));
}

/** Whether the lines are short enough to show their points. */
function isShort(series: readonly Series[]): boolean {
  return series.every(({ points }) => points.length <= 30);
}
