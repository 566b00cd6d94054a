import { z } from 'zod';
import { MAX_TEXTS, type RecentTexts } from '../vocabulary/recent-texts.js';
import { countOption, defineAdmission, type Admission, type Admitter, type Occurrence } from './admission.js';

/** Admits a token at its Nth occurrence. Counts are exact for a limited number of tokens. */
export const exact = defineAdmission({
  name: 'exact',
  summary: 'tokens at their Nth occurrence, counted exactly for a limited number of tokens',
  options: () => ({
    count: countOption,
    pending: z
      .int()
      .min(1)
      .max(MAX_TEXTS)
      .default(1_000_000)
      .describe('Maximum number of tokens that are counted before they get a row'),
  }),

  build: ({ count, pending: maxPending }, minCount) => ({
    fitCount: count ?? minCount,
    start({ rare, pending: restore }) {
      const pending = restore(maxPending);
      const start = { batch: 0, timeMs: NaN };
      // The rarest are the first to be dropped.
      for (const { text, count: occurrences } of firstOf(rare, pending.capacity).reverse())
        pending.counts[pending.insert(text, 0, text.length, start)] = occurrences;
      return new ExactCounts(count ?? minCount, pending);
    },
  }),
});

class ExactCounts implements Admission {
  readonly #count: number;
  readonly pending: RecentTexts;

  constructor(count: number, pending: RecentTexts) {
    this.#count = count;
    this.pending = pending;
  }

  admits({ bytes, begin, end }: Occurrence, admitter: Admitter): boolean {
    const { pending } = this;
    let slot = pending.find(bytes, begin, end);
    const count = (slot > 0 ? pending.counts[slot]! : 0) + 1;
    if (count >= this.#count && admitter.hasRow()) {
      if (slot > 0) pending.remove(slot);
      return true;
    }
    if (slot > 0) pending.touch(slot, admitter.now);
    else {
      if (pending.size === pending.capacity) {
        pending.remove(pending.oldest);
        admitter.onDrop();
      }
      slot = pending.insert(bytes, begin, end, admitter.now);
    }
    pending.counts[slot] = count;
    return false;
  }
}

function firstOf<Item>(items: Iterable<Item>, most: number): Item[] {
  const first: Item[] = [];
  for (const item of items) {
    if (first.length === most) break;
    first.push(item);
  }
  return first;
}
