import type { TokenCounts } from '../../core/token-counts.js';
import type { RowChanges } from '../../tables/row-changes.js';
import type { Admission, AdmissionRule, Admitter } from '../admissions/admission.js';
import type { Eviction, EvictionRule } from '../evictions/eviction.js';
import type { Moment, RecentTexts } from './recent-texts.js';
import { VACANT } from './text-table.js';

/** How a vocabulary grows and shrinks. */
export interface GrowthOptions {
  /** Maximum number of tokens with a row. */
  readonly capacity: number;
  readonly admission: AdmissionRule;
  readonly eviction: EvictionRule;
  /** Expires tokens after a number of batches or milliseconds without an occurrence; undefined: never. */
  readonly unseen: { readonly steps: number } | { readonly ms: number } | undefined;
}

/** What happened since the last report. JSON. */
export type GrowthCounts = { -readonly [Name in Exclude<keyof TokenCounts, 'rows' | 'pending'>]: TokenCounts[Name] };

const noCounts = (): GrowthCounts => ({
  admitted: 0,
  expired: 0,
  evicted: 0,
  dropped: 0,
  occurrences: 0,
  outOfVocabulary: 0,
});

/**
 * Assigns rows, from 1, to the tokens of a stream. Until a token is admitted, it is 0, the out-of-vocabulary id. It
 * takes the lowest free row, or the row of the token that is evicted. The state depends on the sequence of tokens,
 * batches and times, and on a seed.
 */
export class GrowingVocabulary {
  readonly options: GrowthOptions;
  /** Tokens with a row, which is their slot. */
  readonly rows: RecentTexts;
  readonly admission: Admission;
  readonly eviction: Eviction;
  readonly #admitter: Admitter;
  #now: Moment;
  #admitted: number[] = [];
  #cleared: number[] = [];
  #counts = noCounts();

  /**
   * @param rows they have the capacity of the options
   * @param now the last batch; batch 0 before the first one
   */
  constructor(options: GrowthOptions, rows: RecentTexts, admission: Admission, eviction: Eviction, now: Moment) {
    this.options = options;
    this.rows = rows;
    this.admission = admission;
    this.eviction = eviction;
    this.#now = now;
    const currentBatch = (): Moment => this.#now;
    this.#admitter = {
      get now() {
        return currentBatch();
      },
      hasRow: () => this.#hasRow(),
      onDrop: () => {
        this.#counts.dropped++;
      },
    };
  }

  get now(): Moment {
    return this.#now;
  }

  /** Bytes of all arrays. */
  get byteLength(): number {
    const { pending, sketch } = this.admission;
    const { byteLength: ofEviction = 0 } = this.eviction;
    return this.rows.byteLength + (pending?.byteLength ?? 0) + (sketch?.byteLength ?? 0) + ofEviction;
  }

  /**
   * Starts the next batch: expires the tokens that are unseen.
   * @param timeMs time of the stream; a time before the time of the last batch counts as the time of the last batch
   */
  startBatch(timeMs = NaN): void {
    const isFirstTime = Number.isNaN(this.#now.timeMs);
    this.#now = { batch: this.#now.batch + 1, timeMs: isFirstTime ? timeMs : Math.max(this.#now.timeMs, timeMs) };
    this.eviction.startBatch?.();
    const { pending } = this.admission;
    // The fit of the first tokens has no time.
    if (isFirstTime) for (const texts of [this.rows, pending]) texts?.setTimes(timeMs);
    for (const row of this.#unseen(this.rows)) {
      this.#clear(row);
      this.#counts.expired++;
    }
    if (pending === undefined) return;
    for (const slot of this.#unseen(pending)) {
      pending.remove(slot);
      this.#counts.dropped++;
    }
  }

  /**
   * Counts an occurrence of the token in `begin`…`end` and returns its row; 0 if it has none.
   * @param batchRow row of the batch, from 0
   */
  assign(bytes: Uint8Array, begin: number, end: number, batchRow: number): number {
    const counts = this.#counts;
    counts.occurrences++;
    let row = this.rows.find(bytes, begin, end);
    if (row > 0) this.rows.touch(row, this.#now);
    else {
      if (
        isVacancy(bytes, begin, end) ||
        !this.admission.admits({ bytes, begin, end, row: batchRow }, this.#admitter)
      ) {
        counts.outOfVocabulary++;
        return 0;
      }
      row = this.rows.insert(bytes, begin, end, this.#now);
      this.#admitted.push(row);
      counts.admitted++;
    }
    this.eviction.onUse?.(row);
    return row;
  }

  /** Returns the changes of rows since the last call. */
  takeChanges(): RowChanges {
    // A row may have been cleared and used again.
    const listRows = (rows: readonly number[], areUsed: boolean): Uint32Array =>
      Uint32Array.from(new Set(rows.filter((row) => this.rows.isUsed(row) === areUsed))).sort();
    const [admitted, cleared] = [listRows(this.#admitted, true), listRows(this.#cleared, false)];
    this.#admitted = [];
    this.#cleared = [];
    return { cleared, admitted, batch: this.#now.batch };
  }

  /** What happened since the last report. */
  get counts(): GrowthCounts {
    return { ...this.#counts };
  }

  /** Starts to collect the changes after a save. */
  markSaved(): void {
    const { pending, sketch } = this.admission;
    this.rows.forgetRemoved();
    pending?.forgetRemoved();
    sketch?.markSaved();
  }

  /** Continues to count from the counts of a checkpoint. */
  continueCounts(counts: GrowthCounts): void {
    this.#counts = { ...counts };
  }

  /** Returns what happened since the last report. */
  report(): TokenCounts {
    const counts = this.#counts;
    this.#counts = noCounts();
    return { rows: this.rows.size, pending: this.admission.pending?.size ?? 0, ...counts };
  }

  /** Makes sure that a row is free, unless this batch uses all of them. */
  #hasRow(): boolean {
    if (this.rows.size < this.rows.capacity) return true;
    const row = this.eviction.choose(this.#now);
    if (row === 0) return false;
    this.#clear(row);
    this.#counts.evicted++;
    return true;
  }

  /** Visits the texts that are unseen for too long, which the caller removes. */
  *#unseen(texts: RecentTexts): Generator<number> {
    const { unseen } = this.options;
    if (unseen === undefined) return;
    const { batch, timeMs } = this.#now;
    const isUnseen = (last: Moment): boolean =>
      'steps' in unseen ? batch - last.batch > unseen.steps : timeMs - last.timeMs > unseen.ms;
    for (let slot = texts.oldest; slot > 0 && isUnseen(texts.lastUse(slot)); slot = texts.oldest) yield slot;
  }

  #clear(row: number): void {
    this.rows.remove(row);
    this.eviction.onRemove?.(row);
    this.#cleared.push(row);
  }
}

/** Returns whether bytes are the text of a vacant id, which no token may have. */
function isVacancy(bytes: Uint8Array, begin: number, end: number): boolean {
  return end - begin === VACANT.length && VACANT.every((byte, i) => bytes[begin + i] === byte);
}
