import type { Html } from '../charts/html.js';
import { collectSeries, linePlot, type Series } from '../charts/plot.js';
import type { StepsLine } from '../runs/metric-lines.js';
import { drawFamilies, MAX_DOTS } from './by-output.js';
import { collectOutputs, type ReportedRun } from './reported-run.js';
import type { Section } from './section.js';

const STEP = { title: 'steps', format: '~s' } as const;

/** Validation metrics, losses, learning rates, loss weights and gradient norms by step. */
export const curves: Section = {
  title: 'Training',
  about: 'Losses and validation metrics by step. A ring marks the best epoch.',
  draw: (runs) => metrics(runs, [...losses(runs), ...rates(runs)]),
};

function losses(runs: readonly ReportedRun[]): readonly Html[] {
  const series = runs
    .flatMap((run) =>
      runs.length === 1 ? collectLosses(run) : [{ name: run.name, points: collectLosses(run)[0]!.points }],
    )
    .filter(({ points }) => points.length > 0);
  const title = runs.length === 1 ? 'loss' : 'training loss';
  const points = series.every(({ points: all }) => all.length <= MAX_DOTS);
  return series.length === 0 ? [] : [linePlot({ title, x: STEP, y: { title: '' }, series, points })];
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

/** Draws the metrics of the configs that were measured, on the validation set, followed by other charts. */
function metrics(runs: readonly ReportedRun[], others: readonly Html[]): Html | undefined {
  const reports = runs.flatMap(({ lines }) =>
    lines.milestones.flatMap(({ valid }) => (valid === undefined ? [] : [valid.metrics])),
  );
  const names = new Set(runs.flatMap(({ measures }) => measures.map(({ values: [{ name }] }) => name)));
  return drawFamilies(
    runs,
    collectOutputs(reports),
    [...names].map((metric) => ({
      title: `${metric} on valid`,
      x: STEP,
      y: { title: '' },
      getPoints: ({ lines: { milestones } }, output) =>
        milestones.flatMap(({ step, valid }) => {
          const value = valid?.metrics[output]?.[metric];
          return typeof value === 'number' ? [{ x: step, y: value }] : [];
        }),
      getMark: ({ lines: { milestones } }) => milestones.findLast(({ isBest }) => isBest)?.step,
    })),
    others,
  );
}

/** Draws learning rates relative to the config, loss weights and gradient norms, if they change. */
function rates(runs: readonly ReportedRun[]): readonly Html[] {
  if (runs.length > 1) return [];
  const { steps } = runs[0]!.lines;
  const lines = (getValues: (line: StepsLine) => Readonly<Record<string, number>>): readonly Series[] =>
    collectSeries(
      steps,
      ({ step }) => step,
      (line) => Object.entries(getValues(line)),
    );
  const candidates = {
    'learning rate, relative to the config': lines(({ lrFactors }) => lrFactors),
    'loss weights': lines(({ lossWeights }) => lossWeights),
    'gradient norms': lines(({ gradNorms = {} }) => gradNorms),
  };
  return Object.entries(candidates).flatMap(([title, series]) => {
    const isMoving = series.some(({ points }) => new Set(points.map(({ y }) => y)).size > 1);
    return isMoving ? [linePlot({ title, x: STEP, y: { title: '' }, series })] : [];
  });
}
