import { setImmediate } from 'node:timers/promises';
import { createAdditive, type LabelKind } from './additive.js';
import { combined, type EncodedColumns } from './encoded-columns.js';
import { createGainMeter, type Gain, type GainMeter } from './gain.js';

/** Two columns that say more together than both for themselves. */
export interface FoundCross {
  readonly columns: readonly [string, string];
  /**
   * By how much the mean log loss of a row falls, beyond what all fields give alone and the crosses before it, on rows
   * that nothing was learned from.
   */
  readonly logLossGain: number;
  /** How many deviations of chance that is above none. */
  readonly zScore: number;
  /** Combinations of the two that there are. */
  readonly combinations: number;
}

/** What was found in some rows. */
export interface Search {
  /** The best first. */
  readonly crosses: readonly FoundCross[];
  /** The mean log loss of the model in which no fields have a say together. */
  readonly loss: number;
  /** Pairs that were looked at. */
  readonly pairs: number;
}

/** How it is searched. */
export interface SearchOptions {
  readonly top: number;
  /** Whether two columns are together in a cross already. */
  isCrossed(a: string, b: string): boolean;
  onShare(share: number): void;
  readonly signal: AbortSignal;
}

/** Times that the fields are fitted one after the other: at first, and with a cross more. */
const [FIRST_SWEEPS, MORE_SWEEPS] = [6, 2];
/** Deviations from which on no chance among thousands of pairs is likely. */
const MIN_Z = 4.5;
/**
 * Pairs times rows that take about half a minute. Where there are more, all pairs are looked at in some of the rows,
 * and the best of them in all.
 */
const MAX_WORK = 1.5e9;
/** Pairs that are looked at in all rows then; and again for each cross that was found. */
const [KEPT, KEPT_A_CROSS] = [200, 8];

interface Pair {
  readonly a: EncodedColumns;
  readonly b: EncodedColumns;
}
interface Measured extends Pair, FoundCross {}

/**
 * Looks for pairs of fields that say more of a label together than each for itself: first all fields are fitted without
 * having a say
 * together, then every pair is tried on what that leaves unexplained. The best is taken into the fit, and the others
 * are
 * tried again, so that what merely goes with a cross that was found is not found too.
 */
export async function searchCrosses(
  labels: ArrayLike<number>,
  kind: LabelKind,
  fields: readonly EncodedColumns[],
  { top, isCrossed, onShare, signal }: SearchOptions,
): Promise<Search> {
  const additive = createAdditive(labels, kind);
  fields.forEach((field) => additive.add(field));
  additive.fit(FIRST_SWEEPS);
  const loss = additive.loss();

  const pairs = fields.flatMap((a, i) =>
    fields
      .slice(i + 1)
      .flatMap((b): Pair[] =>
        a.column === undefined || b.column === undefined || a.column === b.column || isCrossed(a.column, b.column)
          ? []
          : [{ a, b }],
      ),
  );
  const every = Math.min(32, Math.ceil((pairs.length * labels.length) / MAX_WORK));
  let begun = 0;
  const measure = async (some: readonly Pair[], meter: GainMeter, end: number): Promise<readonly Measured[]> => {
    const alone = new Map<EncodedColumns, Gain>();
    const aloneOf = (field: EncodedColumns): Gain => {
      const gain = alone.get(field) ?? meter(field);
      alone.set(field, gain);
      return gain;
    };
    const found: Measured[] = [];
    for (const [i, { a, b }] of some.entries()) {
      found.push({ a, b, columns: [a.column!, b.column!], ...beyond(meter(a, b), [aloneOf(a), aloneOf(b)]) });
      onShare(begun + ((end - begun) * (i + 1)) / some.length);
      await setImmediate();
      signal.throwIfAborted();
    }
    begun = end;
    return found.filter(({ logLossGain: gain }) => gain > 0).sort((x, y) => y.logLossGain - x.logLossGain);
  };

  let left = await measure(pairs, createGainMeter(additive, every), 0.5);
  const meter = createGainMeter(additive);
  if (every > 1) left = await measure([...left].sort((x, y) => y.zScore - x.zScore).slice(0, KEPT), meter, 0.6);
  const crosses: FoundCross[] = [];
  for (;;) {
    const best = left.find(({ zScore: z }) => z >= MIN_Z);
    if (best === undefined || crosses.length === top) break;
    const { columns, logLossGain: gain, zScore: z, combinations } = best;
    crosses.push({ columns, logLossGain: gain, zScore: z, combinations });
    if (crosses.length === top) break;
    additive.add(combined(best.a, best.b));
    additive.fit(MORE_SWEEPS);
    left = await measure(
      left.filter((pair) => pair !== best).slice(0, KEPT_A_CROSS * top),
      meter,
      begun + (1 - begun) / (top - crosses.length + 1),
    );
  }
  return { crosses, loss, pairs: pairs.length };
}

/**
 * What a pair gains beyond what the fit left of its fields alone: effects of rare values are drawn to 0, and pairs
 * would make up for it.
 */
function beyond({ gain, excess, variance, combinations }: Gain, alone: readonly Gain[]): Omit<FoundCross, 'columns'> {
  const sum = (of: (each: Gain) => number): number => alone.reduce((total, each) => total + Math.max(0, of(each)), 0);
  const deviation = Math.sqrt(variance + sum((each) => each.variance));
  return {
    logLossGain: gain - sum((each) => each.gain),
    zScore: deviation === 0 ? 0 : (excess - sum((each) => each.excess)) / deviation,
    combinations,
  };
}
