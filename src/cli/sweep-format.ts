import type { ListedTrial } from '../study/leaderboard.js';
import type { MetricPair, ParetoTrial } from '../study/pareto.js';
import type { Study } from '../study/study.js';
import { listTrialCells, scoreText, valueLabel } from '../study/trial-text.js';
import { table } from './format.js';
import type { Terminal } from './terminal.js';

/** Formats a finished trial. */
export function trialLine(
  { options, space }: Study,
  { number, state, value, deviation, point, message }: ListedTrial,
  isBest: boolean,
): string {
  const remark = state === 'stopped' ? '  stopped early: other trials are better' : isBest ? '  best so far' : '';
  const found =
    value === null ? `failed: ${message ?? ''}` : `${options.metric} ${scoreText(value, deviation)}${remark}`;
  return `trial ${number}  ${found}  ${space
    .filter(({ name }) => Object.hasOwn(point, name))
    .map((parameter) => `${parameter.name}=${valueLabel(parameter, point[parameter.name])}`)
    .join(' ')}`;
}

/** Formats trials as a table with one column per parameter. */
export function boardTable(study: Study, board: readonly ListedTrial[], screen: Terminal): string {
  const [header, ...rows] = listTrialCells(study, board);
  return table(header, rows, screen);
}

/** Formats the Pareto front as a table. */
export function frontTable(metrics: MetricPair, front: readonly ParetoTrial[], screen: Terminal): string {
  return `Pareto front of ${metrics.join(' and ')}\n${table(
    ['', ...metrics],
    front.map(({ trial, values }) => [`trial ${trial.number}`, ...values.map((value) => value.toFixed(4))]),
    screen,
  )}`;
}
