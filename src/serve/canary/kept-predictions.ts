import type { Predictions } from '../../trained-model/load-model.js';
import type { Side } from './options.js';

/** Predictions of a request that wait for labels. */
export interface Kept {
  readonly id: string;
  readonly savedMs: number;
  readonly rows: number;
  /** One entry per model. */
  readonly predictions: Partial<Record<Side, Predictions>>;
  /** Resolves when a shadow has predicted the request, or dropped it. */
  shadowed?: Promise<void>;
}

/** Why an id has no predictions: it has its labels, or they came too late. */
export type Closed = 'repeated' | 'expired';

/** Limits of the memory: requests, numbers that are predicted, and ids without predictions. */
const [MAX_REQUESTS, MAX_NUMBERS, MAX_CLOSED] = [1 << 20, 1 << 25, 1 << 20];

/**
 * Predictions by request id, until their labels arrive or a time has passed. An id is remembered for the same time
 * after that, to tell a late or repeated label from one of an unknown request.
 */
export class KeptPredictions {
  readonly #keepMs: number;
  /** Ordered from oldest to newest. */
  readonly #open = new Map<string, Kept>();
  /** In order of `closedMs`. */
  readonly #closed = new Map<string, { readonly closedMs: number; readonly reason: Closed }>();
  #numbers = 0;
  #numExpired = 0;

  constructor(keepMs: number) {
    this.#keepMs = keepMs;
  }

  /** Number of requests that wait for labels. */
  get count(): number {
    return this.#open.size;
  }

  /** Number of requests whose labels did not arrive in time, or before memory ran out. */
  get numExpired(): number {
    return this.#numExpired;
  }

  /** Adds the predictions of a request; they replace the predictions of an earlier request with the same id. */
  add(kept: Kept): void {
    this.#remove(kept.id);
    this.#closed.delete(kept.id);
    this.#open.set(kept.id, kept);
    this.#numbers += countNumbers(kept);
    this.expire(kept.savedMs);
  }

  /** Adds the predictions of another model to the predictions of a request. */
  addSide(kept: Kept, side: Side, predictions: Predictions): void {
    const isOpen = this.#open.get(kept.id) === kept;
    if (isOpen) this.#numbers -= countNumbers(kept);
    kept.predictions[side] = predictions;
    if (isOpen) this.#numbers += countNumbers(kept);
  }

  /** Takes the predictions of a request; the id is repeated from then on. Undefined for an unknown id. */
  take(id: string, nowMs: number): Kept | Closed | undefined {
    this.expire(nowMs);
    const kept = this.#open.get(id);
    if (kept === undefined) return this.#closed.get(id)?.reason;
    this.#close(kept, 'repeated', nowMs);
    return kept;
  }

  /** Drops what has waited for too long. */
  expire(nowMs: number): void {
    for (const kept of this.#open.values()) {
      const isFull = this.#open.size > MAX_REQUESTS || this.#numbers > MAX_NUMBERS;
      if (!isFull && kept.savedMs + this.#keepMs > nowMs) break;
      this.#close(kept, 'expired', nowMs);
      this.#numExpired++;
    }
    for (const [id, { closedMs }] of this.#closed) {
      if (this.#closed.size <= MAX_CLOSED && closedMs + this.#keepMs > nowMs) break;
      this.#closed.delete(id);
    }
  }

  #close(kept: Kept, reason: Closed, nowMs: number): void {
    this.#remove(kept.id);
    this.#closed.set(kept.id, { closedMs: nowMs, reason });
  }

  #remove(id: string): void {
    const kept = this.#open.get(id);
    if (kept === undefined) return;
    this.#open.delete(id);
    this.#numbers -= countNumbers(kept);
  }
}

function countNumbers({ rows, predictions }: Kept): number {
  return Object.values(predictions).reduce((sum, each) => sum + rows * Object.keys(each).length, 0);
}
