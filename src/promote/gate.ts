import type { Paths } from '../data/options.js';
import type { DiffResult } from '../diff.js';
import type { Difference } from '../diff/compare.js';
import { didYouMean, userError } from '../core/errors.js';
import type { Gate } from '../runs/channels.js';

/** What a candidate is compared by. */
export interface GateOptions {
  /** As in `ctcvr.auc`. */
  readonly metric: string;
  /** Of the interval, between 0 and 1. */
  readonly confidence: number;
  /** Improvement that the whole interval must exceed, in units of the metric; a negative one permits a loss. */
  readonly margin: number;
}

/**
 * Decides whether the second of two compared runs is better than the first.
 * @param data that both predicted; undefined for that of their configs
 * @throws UserError (usage) for a metric that cannot decide, or rows that are not the same ones; (data) for a metric
 * without a value on them
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
      message: `rows are not paired: ${unpaired}`,
      fix: 'name rows for both with --data',
    });
  const found = metrics.find((each) => nameOf(each) === metric);
  if (found === undefined)
    throw userError('usage', {
      where,
      message: 'the two runs have no such metric',
      fix: meant(metric, metrics.map(nameOf)),
    });
  const { goal, a: present, b: candidate, difference, low, high } = found;
  const fix = `name one of ${metrics
    .filter((each) => each.goal !== 'none' && each.low !== null)
    .map(nameOf)
    .join(', ')}`;
  if (goal === 'none') throw userError('usage', { where, message: 'neither higher nor lower is better', fix });
  if (present === null || candidate === null || difference === null)
    throw userError('data', {
      where,
      message: 'has no value on these rows',
      fix: 'name rows with both labels: --data FILE',
    });
  if (low === null || high === null) throw userError('usage', { where, message: 'has no interval', fix });
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

function nameOf({ output: space, metric }: Difference): string {
  return `${space}.${metric}`;
}

/** Whoever writes `auc` means that of a space. */
function meant(metric: string, names: readonly string[]): string {
  const ofSpaces = names.filter((name) => name.endsWith(`.${metric}`));
  return ofSpaces.length > 0
    ? `write ${ofSpaces.map((name) => `--if-better ${name}`).join(' or ')}`
    : (didYouMean(metric, names) ?? `name one of ${names.join(', ')}`);
}
