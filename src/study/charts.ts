import { html, type Html } from '../charts/html.js';
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

// The charts of a study's page. Those who are asked for one are given trials that have a value.

/** A trial that has a value. */
export interface Valued extends ListedTrial {
  readonly value: number;
}

/** Parameters that have an axis of their own beside each other. */
const MAX_AXES = 10;
/** How a score is written at an axis. */
const SCORE = { format: '.3~f' } as const;

const charts = (drawn: readonly Html[]): Html => html`<div class="charts">${drawn}</div>`;

/** Values by trial, and the best that any had by then. */
export function historyChart({ options, goal }: Study, trials: readonly Valued[]): Html {
  const byNumber = [...trials].sort((a, b) => a.number - b.number);
  const finished = byNumber.filter(({ state }) => state === 'finished');
  let best = Infinity;
  const bests = finished.map(({ number, value }) => {
    best = Math.min(best, toCost(value, goal));
    return { x: number, y: toCost(best, goal) };
  });
  const last = byNumber.at(-1)!.number;
  const groups = grouped(byNumber, ({ number, value, deviation }) => ({
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
  return charts([
    scatterPlot({
      title: `${options.metric} by trial`,
      x: { title: 'trial', format: 'd', domain: [0, last + 1] },
      y: { title: options.metric, ...SCORE },
      groups,
      ...(line !== undefined && { line }),
    }),
  ]);
}

/** Two metrics against each other, and the trials that none beats in both. */
export function frontChart({ goals }: Study, trials: readonly Valued[], metrics: MetricPair): Html | undefined {
  const { front, others } = paretoFront(trials, metrics, goals);
  if (front.length === 0) return undefined;
  const place = ({ values: [x, y] }: (typeof front)[number]): { x: number; y: number } => ({ x, y });
  const [x, y] = metrics.map((metric) => ({ title: `${metric}, ${goals[metric]} is better`, ...SCORE }));
  const groups = [
    { name: 'beaten in both', isMuted: true, points: others.map(place) },
    { name: 'on the front', points: front.map(place) },
  ];
  const points = front.map(place).sort((a, b) => a.x - b.x);
  // No trial is known beyond the corners that the front has.
  const interpolate = goals[metrics[0]] === 'higher' ? 'step-before' : 'step-after';
  return charts([
    scatterPlot({ title: metrics.join(' and '), x: x!, y: y!, groups, line: { name: 'front', interpolate, points } }),
  ]);
}

/** A line a trial over its values of the parameters, those that matter most first, to its score. */
export function parallelChart(
  { space, options, goal }: Study,
  trials: readonly Valued[],
  ranking: readonly Importance[],
): Html {
  const rank = new Map(ranking.map(({ parameter }, at) => [parameter, at]));
  const rankOf = (parameter: Parameter): number => rank.get(parameter) ?? Infinity;
  // Infinity from itself would be no number.
  const shown = [...space].sort((a, b) => (rankOf(a) === rankOf(b) ? 0 : rankOf(a) - rankOf(b))).slice(0, MAX_AXES);
  const names = shortNames(shown.map(({ name }) => name));
  const finished = trials.filter(({ state }) => state === 'finished');
  const values = trials.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const heightOf = (value: number): number => (high === low ? 0.5 : (value - low) / (high - low));
  const scores: ParallelAxis = {
    name: options.metric,
    labels: [...new Set([low, (low + high) / 2, high])].map((value) => ({
      at: heightOf(value),
      text: value.toFixed(4),
    })),
  };
  const sorted = [...finished].sort((a, b) => toCost(a.value, goal) - toCost(b.value, goal));
  const classes = new Map(sorted.map((trial, at) => [trial, Math.floor((NUM_CLASSES * at) / sorted.length)]));
  const rangeOf = (wanted: number): string => {
    const own = sorted.filter((trial) => classes.get(trial) === wanted).map(({ value }) => value.toFixed(4));
    return own.length === 0 ? '' : own[0] === own.at(-1) ? own[0]! : `${own[0]} to ${own.at(-1)}`;
  };
  const lines = trials.map((trial) => ({
    at: [...shown.map((parameter) => placeOf(parameter, trial)), heightOf(trial.value)],
    class: classes.get(trial),
  }));
  const legend = Array.from({ length: NUM_CLASSES }, (_, k) => rangeOf(k));
  return parallelPlot({
    title: `${trials.length} trials by their ${options.metric}`,
    axes: [...shown.map((parameter, i) => axisOf(parameter, names[i]!)), scores],
    lines,
    classes: legend,
    others: 'stopped',
    missingLabel: 'not set',
  });
}

/** How much each parameter decides, beside what chance would give. */
export function importanceChart(ranking: readonly Importance[]): Html {
  const names = shortNames(ranking.map(({ parameter }) => parameter.name));
  return charts([
    barPlot({
      title: 'share that each decides alone',
      axis: { title: 'importance', domain: [0, 1], format: '~%' },
      bars: ranking.map(({ share, chance }, i) => ({ name: names[i]!, value: share, tick: chance })),
    }),
  ]);
}

/** A chart a parameter: the values of trials by their values of it. */
export function sliceCharts({ space, options: { metric } }: Study, trials: readonly Valued[]): Html {
  const drawn: Html[] = [];
  for (const parameter of space) {
    const {
      name,
      domain: { axis, valueAt },
    } = parameter;
    const set = trials.filter(({ point }) => Object.hasOwn(point, name));
    if (set.length === 0) continue;
    const title = set.length < trials.length ? `${name}, set by ${set.length} of ${trials.length}` : name;
    const score = { title: metric, ...SCORE };
    if (axis.kind === 'list') {
      const groups = grouped(set, ({ value, point }) => ({ x: value, y: parameter.domain.coordinateOf(point[name])! }));
      drawn.push(
        scatterPlot({
          title,
          x: score,
          y: Array.from({ length: axis.count }, (_, i) => valueLabel(parameter, valueAt(i))),
          groups,
        }),
      );
    } else {
      const groups = grouped(set, ({ value, point }) => ({ x: Number(point[name]), y: value }));
      drawn.push(
        scatterPlot({
          title,
          x: {
            title: name,
            type: axis.isLog ? 'log' : 'linear',
            domain: [Number(valueAt(axis.low)), Number(valueAt(axis.high))],
            format: '~r',
          },
          y: score,
          groups,
        }),
      );
    }
  }
  return charts(drawn);
}

/** Those that came to their end, and those that were stopped. */
function grouped(
  trials: readonly Valued[],
  place: (trial: Valued) => PointGroup['points'][number],
): readonly PointGroup[] {
  const of = (wanted: boolean): PointGroup['points'] =>
    trials.filter(({ state }) => (state === 'stopped') === wanted).map(place);
  return [
    { name: 'stopped, others did better', isMuted: true, points: of(true) },
    { name: 'finished', points: of(false) },
  ];
}

function placeOf({ name, domain }: Parameter, { point }: ListedTrial): number | undefined {
  const coordinate = Object.hasOwn(point, name) ? domain.coordinateOf(point[name]) : undefined;
  return coordinate === undefined ? undefined : heightOn(domain, coordinate);
}

function heightOn({ axis }: Parameter['domain'], coordinate: number): number {
  return axis.kind === 'list' ? (coordinate + 0.5) / axis.count : (coordinate - axis.low) / (axis.high - axis.low);
}

/** The places of an axis that are labelled: choices, or the ends and the middle of a line. */
function axisOf(parameter: Parameter, name: string): ParallelAxis {
  const { domain } = parameter;
  const { axis, valueAt } = domain;
  const places =
    axis.kind === 'list'
      ? Array.from({ length: axis.count }, (_, i) => i)
      : [axis.low, (axis.low + axis.high) / 2, axis.high];
  const labels = places.map((coordinate) => ({
    at: heightOn(domain, coordinate),
    text: valueLabel(parameter, valueAt(coordinate)),
  }));
  return { name, labels };
}
