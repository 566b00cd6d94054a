import { column, type Batch } from '../../core/batch.js';
import type { EncodedField } from '../../features/feature.js';
import { countName } from '../../features/item-counts.js';
import { eventCounts } from '../rows/event-columns.js';
import { Tally } from './tally.js';

/** Number of items per row of a sequence, as the model receives them. */
export interface SequenceLengths {
  readonly min: number;
  readonly median: number;
  /** 95th percentile of the lengths. */
  readonly p95: number;
  readonly max: number;
  /** Share of rows without items. */
  readonly empty: number;
  /** Share of rows with the maximum number of items. */
  readonly full: number;
  /** Share of rows with more items than the model receives, because of `keep`. */
  readonly truncated: number;
}

/** A sequence, and one of its fields, all of which have lists of the same length. */
interface Counted {
  readonly name: string;
  readonly field: string;
  readonly maxItems: number;
  readonly tally: Tally;
  /** Returns the number of items of each row before `keep` limits them. */
  countAll(batch: Batch): ArrayLike<number>;
  numTruncated: number;
}

/** Counts rows by the lengths of their sequences. */
export class LengthCounts {
  readonly #sequences: readonly Counted[];

  constructor(fields: readonly EncodedField[]) {
    const first = new Map<string, Counted>();
    for (const field of fields) {
      if (!('sequence' in field)) continue;
      const { name, maxItems } = field.sequence;
      if (first.has(name)) continue;
      const { logged } = field;
      const countAll = (batch: Batch): ArrayLike<number> =>
        logged === undefined ? column(batch, countName(name), 'f32').data : eventCounts(batch, logged);
      first.set(name, { name, field: field.name, maxItems, tally: new Tally(), countAll, numTruncated: 0 });
    }
    this.#sequences = [...first.values()];
  }

  /** Sequences with their maximum numbers of items. */
  get sequences(): readonly Pick<Counted, 'name' | 'maxItems'>[] {
    return this.#sequences;
  }

  /** @param batch rows with the fields of `itemCountFields` */
  add(batch: Batch): void {
    for (const sequence of this.#sequences) {
      const { offsets } = column(batch, sequence.field, 'list');
      const counts = sequence.countAll(batch);
      for (let row = 0; row < batch.rows; row++) {
        const length = offsets[row + 1]! - offsets[row]!;
        sequence.tally.add(length);
        if (counts[row]! > length) sequence.numTruncated++;
      }
    }
  }

  /** Returns the lengths of a sequence; undefined without rows. */
  lengthsOf(name: string): SequenceLengths | undefined {
    const { tally, maxItems, numTruncated } = this.#sequences.find((each) => each.name === name)!;
    if (tally.total === 0) return undefined;
    const lengths = [...tally.keys].sort((a, b) => a - b);
    const share = (length: number): number => tally.count(length) / tally.total;
    return {
      min: lengths[0]!,
      median: findQuantile(lengths, tally, 0.5),
      p95: findQuantile(lengths, tally, 0.95),
      max: lengths.at(-1)!,
      empty: share(0),
      full: share(maxItems),
      truncated: numTruncated / tally.total,
    };
  }
}

/** Returns the smallest length that at least a share of rows does not exceed. */
function findQuantile(lengths: readonly number[], tally: Tally, share: number): number {
  let count = 0;
  return lengths.find((length) => (count += tally.count(length)) >= share * tally.total)!;
}
