import { statSync } from 'node:fs';
import { badRowError, writeReject, type BadRow } from '../rows/rejects.js';
import { windowCounts, type StreamState } from './stream-state.js';

/**
 * Writes the invalid records of a stream to a file with reasons, when the batch after them is trained on. Records that
 * are read again after a resume are thus written once.
 */
export class DeadLetters {
  readonly #path: string;
  readonly #state: StreamState;
  readonly #maxPerWindow: number;
  #pending: BadRow[] = [];

  /** @param state updated with the records that were written */
  constructor(path: string, state: StreamState, maxPerWindow: number) {
    this.#path = path;
    this.#state = state;
    this.#maxPerWindow = maxPerWindow;
  }

  /**
   * Adds a record.
   * @throws UserError (data) if the window has too many
   */
  add(row: BadRow): void {
    this.#pending.push(row);
    const count = windowCounts(this.#state).rejected + this.#pending.length;
    if (count <= this.#maxPerWindow) return;
    this.write();
    const cure = row.cure === undefined ? '' : `${row.cure}; `;
    const fix = `${cure}invalid record ${count} of a window exceeds data.follow.maxRejects; all are in ${this.#path}`;
    throw badRowError(row, fix);
  }

  /** Writes the records that were added. */
  write(): void {
    if (this.#pending.length === 0) return;
    for (const row of this.#pending) writeReject(this.#path, row, this.#state.rejected++ === 0);
    this.#pending = [];
    this.#state.rejectsBytes = statSync(this.#path).size;
  }
}
