import type { StoredTensor } from './safetensors.js';

/** Tensors of a state in a checkpoint, by name. */
export type StateTensors = ReadonlyMap<string, StoredTensor>;

/** A state that checkpoints have. */
export interface SavedState<Name extends string = string> {
  readonly name: Name;
  /** Decides what the next checkpoint has: later rows may be read while it is written. */
  mark(): void;
  /** Returns the state at the mark, for a full checkpoint. */
  full(): StateTensors;
  /** Returns what changed between the last save and the mark, for a delta. */
  changes(): StateTensors;
  /** Notes that the mark was saved. */
  markSaved(): void;
}

/** A state of a full checkpoint, which the changes of the deltas after it continue. */
export interface ContinuedState {
  /**
   * Verifies the changes of the next delta, and changes nothing yet.
   * @returns function that applies them
   * @throws Error if they are invalid or do not follow this state
   */
  prepare(changes: StateTensors): () => void;
  /** Returns the state after the changes so far. */
  full(): StateTensors;
}

/**
 * A state of the checkpoint that a server holds, which the deltas after it change. Queries and answers are plain data,
 * which threads may exchange.
 */
export interface ServedState<Query = unknown, Answer = unknown> extends Pick<ContinuedState, 'prepare'> {
  /** Finds what rows lack, which are not part of the log. */
  find(query: Query): Answer;
}
