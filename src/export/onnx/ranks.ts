import { MIDDLE, MIDDLE_RATIO, TAIL_RATIO, type Ratio } from '../../core/normal-quantile.js';
import { MIN_TAIL, rankLines, type RankStep } from '../../core/rank-scaling.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** Emits, per value, how many of the ascending numbers are at most as large, by binary search. */
export function countAtMost(onnx: OnnxGraph, rising: readonly number[], numbers: string): string {
  const numSteps = Math.ceil(Math.log2(rising.length + 1));
  const padded = onnx.doubles(Array.from({ length: 2 ** numSteps }, (_, i) => rising[i] ?? Infinity));
  let count = onnx.node('Cast', [onnx.node('Mul', [numbers, onnx.number(0, 'double')])], { to: ELEMENT_TYPES.int64 });
  for (let step = 2 ** (numSteps - 1); step >= 1; step /= 2) {
    const next = onnx.node('Gather', [padded, onnx.node('Add', [count, onnx.number(step - 1, 'int64')])]);
    const isBelow = onnx.node('LessOrEqual', [next, numbers]);
    count = onnx.node('Add', [
      count,
      onnx.node('Where', [isBelow, onnx.number(step, 'int64'), onnx.number(0, 'int64')]),
    ]);
  }
  return count;
}

/**
 * Relative distance from a quantile that is rounding: a number after log(1 + x) may differ in its last bits, and ranks
 * jump at frequent numbers.
 */
const ROUNDING = 1e-13;

/** Emits the rank of float64 numbers among quantiles, or its normal quantile. */
export function emitRank(onnx: OnnxGraph, { quantiles, isNormal }: RankStep, numbers: string): string {
  const { knots, middles, starts, slopes } = rankLines(quantiles);
  const last = onnx.number(knots.at(-1)!, 'double');
  const within = onnx.node('Min', [onnx.node('Max', [numbers, onnx.number(knots[0]!, 'double')]), last]);
  const rounding = onnx.node('Mul', [onnx.node('Abs', [within]), onnx.number(ROUNDING, 'double')]);
  const count = countAtMost(onnx, knots, onnx.node('Add', [within, rounding]));
  const index = onnx.node('Sub', [count, onnx.number(1, 'int64')]);
  const of = (values: readonly number[]): string => onnx.node('Gather', [onnx.doubles(values), index]);
  const above = onnx.node('Sub', [within, of(knots)]);
  const rankWithin = onnx.node('Where', [
    onnx.node('LessOrEqual', [above, rounding]),
    of(middles),
    onnx.node('Add', [of(starts), onnx.node('Mul', [above, of(slopes)])]),
  ]);
  const isBeyond = onnx.node('Greater', [onnx.node('Sub', [numbers, rounding]), last]);
  const rank = onnx.node('Where', [isBeyond, onnx.number(1, 'double'), rankWithin]);
  return isNormal ? emitNormalQuantile(onnx, rank) : rank;
}

/** Emits the normal quantile of ranks, at least MIN_TAIL from 0 and 1, by the branches that these need. */
function emitNormalQuantile(onnx: OnnxGraph, rank: string): string {
  const constant = (value: number): string => onnx.number(value, 'double');
  const p = onnx.node('Min', [onnx.node('Max', [rank, constant(MIN_TAIL)]), constant(1 - MIN_TAIL)]);
  const q = onnx.node('Sub', [p, constant(0.5)]);
  const middle = onnx.node('Mul', [
    q,
    emitRatio(onnx, MIDDLE_RATIO, onnx.node('Sub', [constant(MIDDLE * MIDDLE), onnx.node('Mul', [q, q])])),
  ]);
  const tail = onnx.node('Min', [p, onnx.node('Sub', [constant(1), p])]);
  const r = onnx.node('Sqrt', [onnx.node('Neg', [onnx.node('Log', [tail])])]);
  const far = onnx.node('Mul', [
    onnx.node('Sign', [q]),
    emitRatio(onnx, TAIL_RATIO, onnx.node('Sub', [r, constant(1.6)])),
  ]);
  const isMiddle = onnx.node('LessOrEqual', [onnx.node('Abs', [q]), constant(MIDDLE)]);
  return onnx.node('Where', [isMiddle, middle, far]);
}

/** Emits a ratio of polynomials by Horner's scheme. */
function emitRatio(onnx: OnnxGraph, { above, below }: Ratio, x: string): string {
  const evaluate = ([first, ...others]: readonly number[]): string =>
    others.reduce(
      (sum, each) => onnx.node('Add', [onnx.node('Mul', [sum, x]), onnx.number(each, 'double')]),
      onnx.number(first!, 'double'),
    );
  return onnx.node('Div', [evaluate(above), evaluate(below)]);
}
