import type { Paths } from '../data/options.js';
import type { DiffResult } from '../diff.js';
import type { Difference } from '../diff/compare.js';
import { didYouMean, userError } from '../core/errors.js';
import type { Gate } from '../runs/channels.js';

/** Condition for a promotion. */
export interface GateOptions {
  /** Text such as `ctcvr.auc`. */
  readonly metric: string;
  /** Confidence level of the interval, between 0 and 1. */
  readonly confidence: number;
  /** Minimum improvement, in units of the metric, that the whole interval must exceed; negative to allow a loss. */
  readonly margin: number;
}

/**
 * Decides whether the second of two compared runs is better than the first.
 * @param data files that both predicted; undefined for the data of their configs
 * @throws UserError (usage) for a metric without a direction or interval, or unpaired rows; (data) for a metric without
 * a value on these rows
 */
export function decideGate(
  { metrics, unpaired, split, rows, predictedRows }: DiffResult,
  data: Paths | undefined,
  { metric, confidence, margin }: GateOptions,
): { readonly gate: Gate; readonly isBetter: boolean } {
  const where = `--if-better ${metric}`;
  if (unpaired !== null)
    throw userError('usage', {
      where,
      message: `cannot pair rows: ${unpaired}`,
      fix: 'name data for both with --data',
    });
  const compared = metrics.find((each) => formatName(each) === metric);
  if (compared === undefined)
    throw userError('usage', {
      where,
      message: 'at least one of the runs has no such metric',
      fix: suggestNames(metric, metrics.map(formatName)),
    });
  const { goal, a: present, b: candidate, difference, low, high } = compared;
  const fix = `name one of ${metrics
    .filter((each) => each.goal !== 'none' && each.low !== null)
    .map(formatName)
    .join(', ')}`;
  if (goal === 'none') throw userError('usage', { where, message: 'the metric has no better direction', fix });
  if (present === null || candidate === null || difference === null)
    throw userError('data', {
      where,
      message: 'the metric is undefined on these rows',
      fix: 'name data with both classes: --data FILE',
    });
  if (low === null || high === null)
    throw userError('usage', { where, message: 'the metric has no confidence interval', fix });
  const gate = {
    metric,
    goal,
    confidence,
    margin,
    data: data === undefined ? null : [data].flat(),
    split,
    rows: predictedRows ?? rows ?? 0,
    present,
    candidate,
    difference,
    low,
    high,
  };
  return { gate, isBetter: (goal === 'higher' ? low : -high) > margin };
}

function formatName({ output: output, metric }: Difference): string {
  return `${output}.${metric}`;
}

/** Suggests metric names; `auc` matches the names of all outputs. */
function suggestNames(metric: string, names: readonly string[]): string {
  const matches = names.filter((name) => name.endsWith(`.${metric}`));
  return matches.length > 0
    ? `use ${matches.map((name) => `--if-better ${name}`).join(' or ')}`
    : (didYouMean(metric, names) ?? `name one of ${names.join(', ')}`);
}
