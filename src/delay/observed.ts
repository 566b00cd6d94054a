import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';
import { parseDuration } from '../core/duration.js';
import { complement, defineDelay, outputAt, type Sample } from './method.js';
import { waitOption } from './options.js';

// Methods that observe a row for `wait`, train on what they saw, and train auxiliary outputs when the window ends.

/**
 * Columns of a sample: whether it trains the conversion, whether it trains auxiliary outputs, and whether the row
 * converted before its first sample.
 */
const OBSERVED_COLUMNS = ['main', 'auxiliary', 'early'] as const;
const OBSERVED_SETTLED = [1, 0, 1] as const;

/** A method that observes a row for `wait`. */
interface ObservedMethod<Name extends string> {
  readonly name: Name;
  readonly summary: string;
  /** Text such as `DelayMethod`. */
  readonly outputs: number;
  samples(delayMs: number | undefined, waitMs: number, windowMs: number): readonly Sample[];
  /**
   * Computes the loss of the conversion and the loss of the auxiliary outputs, `[B, 1]` each.
   * @param early whether the row converted before its first sample, `[B, 1]`
   */
  losses(
    g: GraphBuilder,
    out: Value,
    label: Value,
    early: Value,
  ): { readonly conversion: Value; readonly auxiliary: Value };
}

/** Declares a method that observes a row for `wait`. */
export function defineObserved<const Name extends string>({
  name,
  summary,
  outputs,
  samples,
  losses,
}: ObservedMethod<Name>) {
  return defineDelay({
    name,
    summary,
    options: () => ({ wait: waitOption }),

    build({ wait }, windowMs) {
      const waitMs = parseDuration(wait);
      return {
        columns: OBSERVED_COLUMNS,
        settled: OBSERVED_SETTLED,
        outputs,
        samples: (delayMs) => samples(delayMs, waitMs, windowMs),
        rows(g, out, label, columns) {
          const [isMain, isAuxiliary, early] = columns as [Value, Value, Value];
          const { conversion, auxiliary } = losses(g, out, label, early);
          return g.add(g.multiply(conversion, isMain), g.multiply(auxiliary, isAuxiliary));
        },
      };
    },
  });
}

/** What is known of a row: whether it converted before its first sample, and whether after it. */
export interface Outcome {
  readonly early: 0 | 1;
  readonly isLate: boolean;
}

/** Returns the outcome of a row. */
export function classifyOutcome(delayMs: number | undefined, waitMs: number): Outcome {
  const isEarly = delayMs !== undefined && delayMs <= waitMs;
  return { early: isEarly ? 1 : 0, isLate: delayMs !== undefined && !isEarly };
}

/**
 * Returns the stream of ES-DFM (Yang et al. 2021, https://arxiv.org/abs/2012.03245): the label after `wait`,
 * and a late conversion when it arrives. When the window ends, the row trains the auxiliary outputs.
 */
export function elapsedTimeSamples(delayMs: number | undefined, waitMs: number, windowMs: number): readonly Sample[] {
  const { early, isLate } = classifyOutcome(delayMs, waitMs);
  return [
    { afterMs: waitMs, label: early, values: [1, 0, early] },
    ...(isLate ? [{ afterMs: delayMs!, label: 1, values: [1, 0, 0] } as const] : []),
    { afterMs: windowMs, label: delayMs === undefined ? 0 : 1, values: [0, 1, early] },
  ];
}

/** Computes the log loss of the probability that a row converts late. */
export function lateLoss(g: GraphBuilder, logit: Value, label: Value, early: Value): Value {
  return g.crossEntropy(logit, g.multiply(label, complement(g, early)));
}

/** Computes the log loss of the probability that a row without early conversion is a real negative. */
export function realNegativeLoss(g: GraphBuilder, logit: Value, label: Value, early: Value): Value {
  return g.multiply(g.crossEntropy(logit, complement(g, label)), complement(g, early));
}

/** Outputs of ES-DFM's tower: the conversion, a real negative among observed ones, and a late conversion. */
export function splitElapsedTime(
  g: GraphBuilder,
  out: Value,
): { readonly logit: Value; readonly realNegative: Value; readonly late: Value } {
  return { logit: outputAt(g, out, 0), realNegative: outputAt(g, out, 1), late: outputAt(g, out, 2) };
}
