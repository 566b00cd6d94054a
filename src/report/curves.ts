import { html, type Html } from '../charts/html.js';
import { linePlot, type Series } from '../charts/plot.js';
import { namesIn, type ReportedRun } from './reported-run.js';
import { isCount, wholeSpaces } from './scores.js';
import type { Section } from './section.js';

const STEP = { title: 'steps', format: '~s' } as const;
/** Charts of metrics at the most, those of the first metrics first. */
const MAX_CURVES = 24;

/** How training went: losses, rates and metrics, by step and by epoch. */
export const curves: Section = {
  title: 'Training',
  about: 'Losses by step, and what was measured on valid. A ring is the epoch whose weights were kept.',
  draw(runs) {
    const groups = [[...losses(runs), ...rates(runs)], metrics(runs)].filter((charts) => charts.length > 0);
    return groups.length === 0 ? undefined : html`${groups.map((charts) => html`<div class="charts">${charts}</div>`)}`;
  },
};

function losses(runs: readonly ReportedRun[]): readonly Html[] {
  const [only, ...others] = runs;
  const series: readonly Series[] =
    only !== undefined && others.length === 0
      ? lossesOf(only)
      : runs.flatMap((run) =>
          lossesOf(run)
            .filter(({ name }) => name === 'train')
            .map((line) => ({ ...line, name: run.name })),
        );
  const filled = series.filter(({ points }) => points.length > 0);
  return filled.length === 0
    ? []
    : [linePlot({ title: 'loss', x: STEP, y: { title: 'loss' }, series: filled, points: isShort(filled) })];
}

/** The loss of train within epochs where steps were logged, else by epoch, and that of valid. */
function lossesOf({ lines: { steps, milestones } }: ReportedRun): readonly Series[] {
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
      valid === undefined ? [] : [{ epoch, step, isBest, spaces: Object.fromEntries(wholeSpaces(valid.metrics)) }],
    ),
  );
  const all = reports.flat().map(({ spaces }) => spaces);
  const numbers = namesIn(all.flatMap((spaces) => Object.values(spaces))).filter((metric) => !isCount(metric));
  const wanted = numbers.flatMap((metric) => namesIn(all).map((space) => ({ space, metric })));
  const charts = wanted.map(({ space, metric }) => {
    const series = reports.map((milestones, r) => ({
      name: runs[r]!.name,
      points: milestones.flatMap(({ step, spaces }) => {
        const value = spaces[space]?.[metric];
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
    return { title: `${space}.${metric} on valid`, series, marked };
  });
  const drawn = charts.filter(({ series }) => series.some(({ points }) => points.length > 0)).slice(0, MAX_CURVES);
  return drawn.map(({ title, series, marked }) =>
    linePlot({ title, x: STEP, y: { title: '' }, series, marked, points: isShort(series) }),
  );
}

/** Learning rates as shares of what the config says, and weights of terms, where they move. */
function rates(runs: readonly ReportedRun[]): readonly Html[] {
  const only = runs.length === 1 ? runs[0]! : undefined;
  if (only === undefined) return [];
  const { steps } = only.lines;
  const seriesOf = (values: readonly Readonly<Record<string, number>>[]): readonly Series[] =>
    namesIn(values).map((name) => ({ name, points: steps.map(({ step }, i) => ({ x: step, y: values[i]![name]! })) }));
  const wanted = [
    { title: "learning rate, as a share of the config's", series: seriesOf(steps.map(({ lrFactors: all }) => all)) },
    { title: 'weights of terms', series: seriesOf(steps.map(({ lossWeights: weights }) => weights)) },
    { title: 'norms of gradients', series: seriesOf(steps.map(({ gradNorms: norms = {} }) => norms)) },
  ];
  const moving = wanted.filter(({ series }) => series.some(({ points }) => new Set(points.map(({ y }) => y)).size > 1));
  return moving.map(({ title, series }) => linePlot({ title, x: STEP, y: { title: '' }, series }));
}

/** Few points are shown as such. */
function isShort(series: readonly Series[]): boolean {
  return series.every(({ points }) => points.length <= 30);
}
