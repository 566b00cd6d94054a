import { renderCharts, type Html } from '../charts/html.js';
import { NUM_CLASSES, parallelPlot, type ParallelAxis } from '../charts/parallel.js';
import { barPlot } from '../charts/plot.js';
import { scatterPlot, type PointGroup } from '../charts/scatter.js';
import type { Importance } from './importance.js';
import type { ListedTrial } from './leaderboard.js';
import { paretoFront, type MetricPair } from './pareto.js';
import { toCost } from './observation.js';
import type { Parameter } from './space.js';
import type { Study } from './study.js';
import { shortNames, valueLabel } from './trial-text.js';

// Charts of a study's page. All `trials` arguments require trials with a value.

export interface Valued extends ListedTrial {
  readonly value: number;
}

/** Maximum number of parallel axes. */
const MAX_AXES = 10;
/** d3 format of scores on axes. */
const SCORE = { format: '.3~f' } as const;

/** Plots values by trial, with the best value so far. */
export function historyChart({ options, goal }: Study, trials: readonly Valued[]): Html | undefined {
  const byNumber = [...trials].sort((a, b) => a.number - b.number);
  const finished = byNumber.filter(({ state }) => state === 'finished');
  let best = Infinity;
  const bests = finished.map(({ number, value }) => {
    best = Math.min(best, toCost(value, goal));
    return { x: number, y: toCost(best, goal) };
  });
  const last = byNumber.at(-1)!.number;
  const groups = groupByState(byNumber, ({ number, value, deviation }) => ({
    x: number,
    y: value,
    ...(deviation !== null && { low: value - deviation, high: value + deviation }),
  }));
  const line =
    bests.length === 0
      ? undefined
      : ({
          name: 'best so far',
          interpolate: 'step-after',
          points: [...bests, { x: last, y: bests.at(-1)!.y }],
        } as const);
  return renderCharts([
    scatterPlot({
      title: `${options.metric} by trial`,
      x: { title: 'trial', format: 'd', domain: [0, last + 1] },
      y: { title: options.metric, ...SCORE },
      groups,
      ...(line !== undefined && { line }),
    }),
  ]);
}

/** Plots two metrics against each other, with the Pareto front. */
export function frontChart({ goals }: Study, trials: readonly Valued[], metrics: MetricPair): Html | undefined {
  const { front, others } = paretoFront(trials, metrics, goals);
  if (front.length === 0) return undefined;
  const place = ({ values: [x, y] }: (typeof front)[number]): { x: number; y: number } => ({ x, y });
  const [x, y] = metrics.map((metric) => ({ title: `${metric}, ${goals[metric]} is better`, ...SCORE }));
  const groups = [
    { name: 'dominated', isMuted: true, points: others.map(place) },
    { name: 'Pareto front', points: front.map(place) },
  ];
  const points = front.map(place).sort((a, b) => a.x - b.x);
  // The step never extends beyond the corners of the front.
  const interpolate = goals[metrics[0]] === 'higher' ? 'step-before' : 'step-after';
  return renderCharts([
    scatterPlot({ title: metrics.join(' and '), x: x!, y: y!, groups, line: { name: 'front', interpolate, points } }),
  ]);
}

/** Plots one line per trial over its parameter values and score; the most important parameters come first. */
export function parallelChart(
  { space, options, goal }: Study,
  trials: readonly Valued[],
  ranking: readonly Importance[],
): Html {
  const rank = new Map(ranking.map(({ parameter }, index) => [parameter, index]));
  const getRank = (parameter: Parameter): number => rank.get(parameter) ?? Infinity;
  // Infinity - Infinity is NaN.
  const axes = [...space].sort((a, b) => (getRank(a) === getRank(b) ? 0 : getRank(a) - getRank(b))).slice(0, MAX_AXES);
  const names = shortNames(axes.map(({ name }) => name));
  const finished = trials.filter(({ state }) => state === 'finished');
  const values = trials.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const scoreHeight = (value: number): number => (high === low ? 0.5 : (value - low) / (high - low));
  const scores: ParallelAxis = {
    name: options.metric,
    labels: [...new Set([low, (low + high) / 2, high])].map((value) => ({
      at: scoreHeight(value),
      text: value.toFixed(4),
    })),
  };
  const sorted = [...finished].sort((a, b) => toCost(a.value, goal) - toCost(b.value, goal));
  const classes = new Map(sorted.map((trial, index) => [trial, Math.floor((NUM_CLASSES * index) / sorted.length)]));
  const formatRange = (index: number): string => {
    const values = sorted.filter((trial) => classes.get(trial) === index).map(({ value }) => value.toFixed(4));
    return values.length === 0 ? '' : values[0] === values.at(-1) ? values[0]! : `${values[0]} to ${values.at(-1)}`;
  };
  const lines = trials.map((trial) => ({
    at: [...axes.map((parameter) => computeHeight(parameter, trial)), scoreHeight(trial.value)],
    class: classes.get(trial),
  }));
  const legend = Array.from({ length: NUM_CLASSES }, (_, k) => formatRange(k));
  return parallelPlot({
    title: `${trials.length} trials by their ${options.metric}`,
    axes: [...axes.map((parameter, i) => buildAxis(parameter, names[i]!)), scores],
    lines,
    classes: legend,
    others: 'stopped',
    missingLabel: 'not set',
  });
}

/** Plots the importance of each parameter, with the level that chance would reach. */
export function importanceChart(ranking: readonly Importance[]): Html | undefined {
  const names = shortNames(ranking.map(({ parameter }) => parameter.name));
  return renderCharts([
    barPlot({
      title: 'main effect of each parameter',
      axis: { title: 'importance', domain: [0, 1], format: '~%' },
      bars: ranking.map(({ share, chance }, i) => ({ name: names[i]!, value: share, tick: chance })),
    }),
  ]);
}

/** Plots, for each parameter, the values of trials by their parameter value. */
export function sliceCharts({ space, options: { metric } }: Study, trials: readonly Valued[]): Html | undefined {
  const plots: Html[] = [];
  for (const parameter of space) {
    const {
      name,
      domain: { axis, toValue },
    } = parameter;
    const set = trials.filter(({ point }) => Object.hasOwn(point, name));
    if (set.length === 0) continue;
    const title = set.length < trials.length ? `${name}, set by ${set.length} of ${trials.length}` : name;
    const score = { title: metric, ...SCORE };
    if (axis.kind === 'list') {
      const groups = groupByState(set, ({ value, point }) => ({
        x: value,
        y: parameter.domain.toCoordinate(point[name])!,
      }));
      plots.push(
        scatterPlot({
          title,
          x: score,
          y: Array.from({ length: axis.count }, (_, i) => valueLabel(parameter, toValue(i))),
          groups,
        }),
      );
    } else {
      const groups = groupByState(set, ({ value, point }) => ({ x: Number(point[name]), y: value }));
      plots.push(
        scatterPlot({
          title,
          x: {
            title: name,
            type: axis.isLog ? 'log' : 'linear',
            domain: [Number(toValue(axis.low)), Number(toValue(axis.high))],
            format: '~r',
          },
          y: score,
          groups,
        }),
      );
    }
  }
  return renderCharts(plots);
}

/** Groups trials into finished and stopped ones. */
function groupByState(
  trials: readonly Valued[],
  place: (trial: Valued) => PointGroup['points'][number],
): readonly PointGroup[] {
  const select = (isStopped: boolean): PointGroup['points'] =>
    trials.filter(({ state }) => (state === 'stopped') === isStopped).map(place);
  return [
    { name: 'stopped early', isMuted: true, points: select(true) },
    { name: 'finished', points: select(false) },
  ];
}

function computeHeight({ name, domain }: Parameter, { point }: ListedTrial): number | undefined {
  const coordinate = Object.hasOwn(point, name) ? domain.toCoordinate(point[name]) : undefined;
  return coordinate === undefined ? undefined : coordinateHeight(domain, coordinate);
}

function coordinateHeight({ axis }: Parameter['domain'], coordinate: number): number {
  return axis.kind === 'list' ? (coordinate + 0.5) / axis.count : (coordinate - axis.low) / (axis.high - axis.low);
}

/** Builds an axis with labels for all choices, or for the ends and the middle of a line. */
function buildAxis(parameter: Parameter, name: string): ParallelAxis {
  const { domain } = parameter;
  const { axis, toValue } = domain;
  const places =
    axis.kind === 'list'
      ? Array.from({ length: axis.count }, (_, i) => i)
      : [axis.low, (axis.low + axis.high) / 2, axis.high];
  const labels = places.map((coordinate) => ({
    at: coordinateHeight(domain, coordinate),
    text: valueLabel(parameter, toValue(coordinate)),
  }));
  return { name, labels };
}
