import { setImmediate } from 'node:timers/promises';
import { Additive, type LabelKind } from './additive.js';
import { combineFields, type EncodedColumns } from './encoded-columns.js';
import { createGainMeter, type Gain, type GainMeter } from './gain.js';
import { computeGain, type HeldOutGain } from './held-out.js';

/** A column pair whose combination improves the prediction. */
export interface FoundCross {
  readonly columns: readonly [string, string];
  /** Reduction of the mean held-out log loss per row, beyond all fields and the crosses before it. */
  readonly logLossGain: number;
  /** Its z-score: the excess in standard deviations of chance. */
  readonly zScore: number;
  /** Number of occurring combinations. */
  readonly combinations: number;
}

export interface Search {
  readonly crosses: readonly FoundCross[];
  /** Mean log loss of the additive model. */
  readonly loss: number;
  /** Number of pairs tested. */
  readonly pairs: number;
}

export interface SearchOptions {
  readonly top: number;
  /** Whether the config already crosses two columns. */
  isCrossed(a: string, b: string): boolean;
  onShare(share: number): void;
  readonly signal: AbortSignal;
}

/** Number of fitting sweeps: initially, and after each cross. */
const [FIRST_SWEEPS, MORE_SWEEPS] = [6, 2];
/** Minimum z-score: chance is unlikely to reach it among thousands of pairs. */
const MIN_Z = 4.5;
/**
 * Maximum number of pairs times rows, about half a minute. Beyond it, all pairs are tested on a subset of the rows, and
 * only the best on all rows.
 */
const MAX_WORK = 1.5e9;
/** Number of pairs to test on all rows after the subset, and again per cross. */
const [MAX_CANDIDATES, MAX_CANDIDATES_PER_CROSS] = [200, 8];

interface Pair {
  readonly a: EncodedColumns;
  readonly b: EncodedColumns;
}
interface Measured extends Pair, FoundCross {}

/**
 * Searches for pairs of fields that interact. First fits the additive model, then tests every pair on its residuals.
 * Adds the best pair to the model and tests the others again, so that a pair that only correlates with a found cross is
 * not reported.
 */
export async function searchCrosses(
  labels: ArrayLike<number>,
  kind: LabelKind,
  fields: readonly EncodedColumns[],
  { top, isCrossed, onShare, signal }: SearchOptions,
): Promise<Search> {
  const additive = new Additive(labels, kind);
  fields.forEach((field) => additive.add(field));
  additive.fit(FIRST_SWEEPS);
  const loss = additive.loss();

  const pairs = listPairs(fields, isCrossed);
  const every = Math.min(32, Math.ceil((pairs.length * labels.length) / MAX_WORK));
  let doneShare = 0;
  const measure = async (some: readonly Pair[], meter: GainMeter, end: number): Promise<readonly Measured[]> => {
    const single = new Map<EncodedColumns, Gain>();
    const measureSingle = (field: EncodedColumns): Gain => {
      const gain = single.get(field) ?? meter(field);
      single.set(field, gain);
      return gain;
    };
    const found: Measured[] = [];
    for (const [i, { a, b }] of some.entries()) {
      found.push({
        a,
        b,
        columns: [a.column!, b.column!],
        ...computeNetGain(meter(a, b), [measureSingle(a), measureSingle(b)]),
      });
      onShare(doneShare + ((end - doneShare) * (i + 1)) / some.length);
      await setImmediate();
      signal.throwIfAborted();
    }
    doneShare = end;
    return found.filter(({ logLossGain }) => logLossGain > 0).sort((x, y) => y.logLossGain - x.logLossGain);
  };

  let remaining = await measure(pairs, createGainMeter(additive, every), 0.5);
  const meter = createGainMeter(additive);
  if (every > 1)
    remaining = await measure([...remaining].sort((x, y) => y.zScore - x.zScore).slice(0, MAX_CANDIDATES), meter, 0.6);
  const crosses: FoundCross[] = [];
  for (;;) {
    const best = remaining.find(({ zScore }) => zScore >= MIN_Z);
    if (best === undefined || crosses.length === top) break;
    const { columns, logLossGain: gain, zScore: z, combinations } = best;
    crosses.push({ columns, logLossGain: gain, zScore: z, combinations });
    if (crosses.length === top) break;
    additive.add(combineFields(best.a, best.b));
    additive.fit(MORE_SWEEPS);
    remaining = await measure(
      remaining.filter((pair) => pair !== best).slice(0, MAX_CANDIDATES_PER_CROSS * top),
      meter,
      doneShare + (1 - doneShare) / (top - crosses.length + 1),
    );
  }
  return { crosses, loss, pairs: pairs.length };
}

/** Lists the pairs of columns without a cross. */
function listPairs(fields: readonly EncodedColumns[], isCrossed: SearchOptions['isCrossed']): readonly Pair[] {
  return fields.flatMap((a, i) =>
    fields
      .slice(i + 1)
      .flatMap((b): Pair[] =>
        a.column === undefined || b.column === undefined || a.column === b.column || isCrossed(a.column, b.column)
          ? []
          : [{ a, b }],
      ),
  );
}

/**
 * Subtracts the remaining gain of the fields alone, for effects of the same variance: shrunken effects of rare values
 * leave some, which pairs would absorb. The variance is the one with the largest difference.
 */
function computeNetGain({ gains, rows, combinations }: Gain, single: readonly Gain[]): Omit<FoundCross, 'columns'> {
  const net = gains.map(({ excess, variance }, i) => {
    const alone = single.map((each) => each.gains[i]!);
    const sum = (get: (each: HeldOutGain) => number): number =>
      alone.reduce((total, each) => total + Math.max(0, get(each)), 0);
    const deviation = Math.sqrt(variance + sum((each) => each.variance));
    return {
      logLossGain: (computeGain({ excess, variance }) - sum(computeGain)) / rows,
      zScore: deviation === 0 ? 0 : (excess - sum((each) => each.excess)) / deviation,
      combinations,
    };
  });
  return net.reduce((best, each) => (each.logLossGain > best.logLossGain ? each : best));
}
