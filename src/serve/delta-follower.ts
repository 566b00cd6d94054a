import { UserError } from '../core/errors.js';
import { listDeltasSince, type DeltaSince } from '../runs/delta.js';
import { startThread, type Thread } from '../system/thread.js';
import { NO_MOVED_ROWS } from '../tables/moved-rows.js';
import type { PreparedDelta, TableWriterSpec } from './messages.js';

/** Applies deltas to the tables that prediction threads share, without a pause of these threads (see `TableWriter`). */
export class DeltaFollower {
  /** Switches all prediction threads; resolves when none of them reads what it read before. */
  readonly #switchThreads: (delta: PreparedDelta) => Promise<void>;
  readonly #writer: Thread;
  /** Digest of the manifest of the served checkpoint. */
  #sha256: string;
  /** Whether a delta was not applied completely; the spare rows may be in use then, and tokens may be changed. */
  #isBroken = false;

  constructor(spec: TableWriterSpec, sha256: string, switchThreads: (delta: PreparedDelta) => Promise<void>) {
    // Started now: the first delta does not wait for it.
    this.#writer = startThread('serve/table-worker', spec);
    this.#sha256 = sha256;
    this.#switchThreads = switchThreads;
  }

  /**
   * Applies the deltas from the served checkpoint to a later one, in order.
   * @returns false if the later one must be loaded whole: it does not build on the served one, is of another model, or
   * changes more rows or tokens than there is memory for
   * @throws UserError (checkpoint) for a delta that is missing or invalid; those before it are applied
   */
  async follow(folder: string): Promise<boolean> {
    if (this.#isBroken) return false;
    const deltas = await listDeltasSince(this.#sha256, folder);
    if (deltas === undefined) return false;
    for (const delta of deltas) {
      if (!(await this.#apply(delta))) return false;
      this.#sha256 = delta.sha256;
    }
    return true;
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }

  async #apply(delta: DeltaSince): Promise<boolean> {
    const prepared = await this.#prepare(delta);
    this.#isBroken = true;
    if (prepared === undefined) return false;
    await this.#switchThreads(prepared);
    await this.#writer.ask(undefined);
    await this.#switchThreads({ ...prepared, moved: NO_MOVED_ROWS });
    this.#isBroken = false;
    return true;
  }

  async #prepare(delta: DeltaSince): Promise<PreparedDelta | undefined> {
    try {
      return (await this.#writer.ask(delta)) as PreparedDelta | undefined;
    } catch (error) {
      // A thread that has failed does not recover.
      if (!(error instanceof UserError && error.kind === 'checkpoint')) this.#isBroken = true;
      throw error;
    }
  }
}
