import { UserError } from '../core/errors.js';
import { listDeltasSince, type DeltaSince } from '../runs/delta.js';
import { FILES, readText } from '../runs/manifest.js';
import { startThread, type Thread } from '../system/thread.js';
import { NO_MOVED_ROWS } from '../tables/moved-rows.js';
import type { PreparedDelta, TableWriterSpec } from './messages.js';

/** What a follower switches to a delta besides the tables. */
export interface FollowedModel {
  /**
   * Reads and verifies all else that a delta changes.
   * @returns function that switches to it at once
   * @throws UserError (checkpoint) for a missing or invalid file; nothing is changed then
   */
  prepare(delta: DeltaSince): Promise<() => void>;
  /** Switches all prediction threads, by messages that it sends at once; resolves when no thread reads what it read. */
  switchThreads(delta: PreparedDelta): Promise<void>;
}

/** Applies deltas to the tables that prediction threads share, without a pause of the threads (see `TableWriter`). */
export class DeltaFollower {
  readonly #model: FollowedModel;
  readonly #writer: Thread;
  readonly #config: string;
  /** Digest of the manifest of the served checkpoint. */
  #sha256: string;
  /** Whether a delta was not applied completely; the spare rows may be in use then, and tokens may be changed. */
  #isBroken = false;

  constructor(spec: TableWriterSpec, sha256: string, model: FollowedModel) {
    // Started now: the first delta does not wait for it.
    this.#writer = startThread('serve/table-worker', spec);
    this.#sha256 = sha256;
    this.#config = spec.stored.config;
    this.#model = model;
  }

  /**
   * Applies the deltas from the served checkpoint to a later one, in order. Each is verified completely before the
   * model switches to it.
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
    const { folder, manifest } = delta;
    if ((await readText(folder, FILES.config, manifest.files)) !== this.#config) return false;
    // Before the tables, because the writer cannot undo its changes of tokens.
    const switchOthers = await this.#model.prepare(delta);
    const prepared = await this.#prepare(delta);
    this.#isBroken = true;
    if (prepared === undefined) return false;
    // Without a pause: a thread answers earlier messages by the version before, and later ones by the new one.
    switchOthers();
    await this.#model.switchThreads(prepared);
    await this.#writer.ask(undefined);
    await this.#model.switchThreads({ ...prepared, moved: NO_MOVED_ROWS });
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
