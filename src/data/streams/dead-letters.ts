import { statSync } from 'node:fs';
import { problemLine } from '../../core/errors.js';
import { monotonicMs } from '../../system/clock.js';
import { badRowError, badRowProblem, writeReject, type BadRow } from '../rows/rejects.js';
import { windowCounts, type StreamState } from './stream-state.js';

/** Minimum time between two warnings of invalid records. */
const WARNING_INTERVAL_MS = 10_000;

/**
 * Writes the invalid records of a stream to a file with reasons, when the batch after them is trained on. Records that
 * are read again after a resume are thus written once.
 */
export class DeadLetters {
  readonly #path: string;
  readonly #state: StreamState;
  readonly #maxPerWindow: number;
  readonly #warn: (text: string) => void;
  #pending: BadRow[] = [];
  #warnedMs = -Infinity;
  #numUnreported = 0;

  /**
   * @param state updated with the records that were written
   * @param warn receives an invalid record, at most every ten seconds, with the number of others since
   */
  constructor(path: string, state: StreamState, maxPerWindow: number, warn: (text: string) => void = () => undefined) {
    this.#path = path;
    this.#state = state;
    this.#maxPerWindow = maxPerWindow;
    this.#warn = warn;
  }

  /**
   * Adds a record.
   * @throws UserError (data) if the window has too many
   */
  add(row: BadRow): void {
    this.#pending.push(row);
    const count = windowCounts(this.#state).rejected + this.#pending.length;
    if (count <= this.#maxPerWindow) {
      this.#report(row);
      return;
    }
    this.write();
    const cure = row.cure === undefined ? '' : `${row.cure}; `;
    const fix = `${cure}invalid record ${count} of a window exceeds data.follow.maxRejects; all are in ${this.#path}`;
    throw badRowError(row, fix);
  }

  #report(row: BadRow): void {
    if (monotonicMs() - this.#warnedMs < WARNING_INTERVAL_MS) {
      this.#numUnreported++;
      return;
    }
    const others = this.#numUnreported === 0 ? '' : `${this.#numUnreported} more since the last warning; `;
    this.#warn(`skipped an invalid record: ${problemLine(badRowProblem(row))}; ${others}all are in ${this.#path}`);
    this.#warnedMs = monotonicMs();
    this.#numUnreported = 0;
  }

  /** Writes the records that were added. */
  write(): void {
    if (this.#pending.length === 0) return;
    for (const row of this.#pending) writeReject(this.#path, row, this.#state.rejected++ === 0);
    this.#pending = [];
    this.#state.rejectsBytes = statSync(this.#path).size;
  }
}
