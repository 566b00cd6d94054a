import type { RowChanges } from '../../tables/row-changes.js';
import { RecentTexts, type Moment } from './recent-texts.js';
import { VACANT } from './text-table.js';

/** How a vocabulary grows and shrinks. */
export interface GrowthOptions {
  /** Maximum number of tokens with a row. */
  readonly capacity: number;
  /** Occurrence of a token, from 1, at which it is admitted. */
  readonly admitCount: number;
  /** Maximum number of tokens whose occurrences are counted before they are admitted. */
  readonly maxPending: number;
  /** Expires tokens after a number of batches or milliseconds without an occurrence; undefined: never. */
  readonly unseen: { readonly steps: number } | { readonly ms: number } | undefined;
}

/** What happened to a vocabulary since the last report. */
export interface GrowthReport {
  /** Tokens with a row, and tokens that are counted, at present. */
  readonly rows: number;
  readonly pending: number;
  readonly admitted: number;
  /** Tokens whose row was cleared because they were unseen. */
  readonly expired: number;
  /** Tokens whose row was given to another one, because all rows were in use. */
  readonly evicted: number;
  /** Tokens that are not counted anymore: unseen, or the oldest of too many. */
  readonly dropped: number;
  /** Occurrences of all tokens, and of those without a row. */
  readonly occurrences: number;
  readonly outOfVocabulary: number;
}

/** What happened since the last report. JSON. */
export type GrowthCounts = { -readonly [Name in Exclude<keyof GrowthReport, 'rows' | 'pending'>]: GrowthReport[Name] };

const noCounts = (): GrowthCounts => ({
  admitted: 0,
  expired: 0,
  evicted: 0,
  dropped: 0,
  occurrences: 0,
  outOfVocabulary: 0,
});

/**
 * Assigns rows, from 1, to the tokens of a stream. A token is admitted at its `admitCount`-th occurrence; before, it is
 * 0, the out-of-vocabulary id. It takes the lowest free row, or the one whose token is unseen for the longest. The
 * state depends on the sequence of tokens, batches and times alone.
 */
export class GrowingVocabulary {
  readonly options: GrowthOptions;
  /** Tokens with a row, which is their slot. */
  readonly rows: RecentTexts;
  /** Tokens that are not admitted yet, with the number of their occurrences. */
  readonly pending: RecentTexts;
  #now: Moment;
  #admitted: number[] = [];
  #cleared: number[] = [];
  #counts = noCounts();

  /**
   * @param rows their capacity is that of the options
   * @param now the last batch; batch 0 before the first one
   */
  constructor(options: GrowthOptions, rows: RecentTexts, pending: RecentTexts, now: Moment) {
    this.options = options;
    this.rows = rows;
    this.pending = pending;
    this.#now = now;
  }

  /** The last batch. */
  get now(): Moment {
    return this.#now;
  }

  /** Bytes of all arrays. */
  get byteLength(): number {
    return this.rows.byteLength + this.pending.byteLength;
  }

  /**
   * Starts the next batch: expires the tokens that are unseen.
   * @param timeMs time of the stream; a time before that of the last batch counts as that
   */
  startBatch(timeMs = NaN): void {
    const isFirstTime = Number.isNaN(this.#now.timeMs);
    this.#now = { batch: this.#now.batch + 1, timeMs: isFirstTime ? timeMs : Math.max(this.#now.timeMs, timeMs) };
    // The fit of the first tokens has no time.
    if (isFirstTime) for (const texts of [this.rows, this.pending]) texts.setTimes(timeMs);
    for (let row = this.rows.oldest; row > 0 && this.#isUnseen(this.rows, row); row = this.rows.oldest) {
      this.#clear(row);
      this.#counts.expired++;
    }
    for (let slot = this.pending.oldest; slot > 0 && this.#isUnseen(this.pending, slot); slot = this.pending.oldest)
      this.#drop(slot);
  }

  /** Counts an occurrence of the token in `begin`…`end` and returns its row; 0 if it has none. */
  assign(bytes: Uint8Array, begin: number, end: number): number {
    const counts = this.#counts;
    counts.occurrences++;
    const row = this.rows.find(bytes, begin, end);
    if (row > 0) {
      this.rows.touch(row, this.#now);
      return row;
    }
    const admitted = isVacancy(bytes, begin, end) ? 0 : this.#count(bytes, begin, end);
    if (admitted === 0) counts.outOfVocabulary++;
    return admitted;
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

  /** Continues to count from those of a checkpoint. */
  continueCounts(counts: GrowthCounts): void {
    this.#counts = { ...counts };
  }

  /** Returns what happened since the last report. */
  report(): GrowthReport {
    const counts = this.#counts;
    this.#counts = noCounts();
    return { rows: this.rows.size, pending: this.pending.size, ...counts };
  }

  /** Counts a token without a row; returns its row if it is admitted. */
  #count(bytes: Uint8Array, begin: number, end: number): number {
    const { admitCount } = this.options;
    let slot = this.pending.find(bytes, begin, end);
    const count = (slot > 0 ? this.pending.counts[slot]! : 0) + 1;
    const isDue = count >= admitCount && this.#hasRow();
    if (isDue) {
      if (slot > 0) this.pending.remove(slot);
      const row = this.rows.insert(bytes, begin, end, this.#now);
      this.#admitted.push(row);
      this.#counts.admitted++;
      return row;
    }
    if (slot > 0) this.pending.touch(slot, this.#now);
    else {
      if (this.pending.size === this.pending.capacity) this.#drop(this.pending.oldest);
      slot = this.pending.insert(bytes, begin, end, this.#now);
    }
    this.pending.counts[slot] = count;
    return 0;
  }

  /** Makes sure that a row is free, unless this batch uses all of them. */
  #hasRow(): boolean {
    if (this.rows.size < this.rows.capacity) return true;
    const { oldest } = this.rows;
    if (this.rows.lastUse(oldest).batch === this.#now.batch) return false;
    this.#clear(oldest);
    this.#counts.evicted++;
    return true;
  }

  #isUnseen(texts: RecentTexts, slot: number): boolean {
    const { unseen } = this.options;
    if (unseen === undefined) return false;
    const { batch, timeMs } = texts.lastUse(slot);
    return 'steps' in unseen ? this.#now.batch - batch > unseen.steps : this.#now.timeMs - timeMs > unseen.ms;
  }

  #clear(row: number): void {
    this.rows.remove(row);
    this.#cleared.push(row);
  }

  #drop(slot: number): void {
    this.pending.remove(slot);
    this.#counts.dropped++;
  }
}

/** Returns whether bytes are those of a vacant id, which no token may have. */
function isVacancy(bytes: Uint8Array, begin: number, end: number): boolean {
  return end - begin === VACANT.length && VACANT.every((byte, i) => bytes[begin + i] === byte);
}
