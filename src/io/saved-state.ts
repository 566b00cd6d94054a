import type { StoredTensor } from './safetensors.js';

/** A state that checkpoints have. */
export interface SavedState<Name extends string = string> {
  /** Name in checkpoints. */
  readonly name: Name;
  /** Decides what the next checkpoint has: later rows may be read while it is written. */
  mark(): void;
  /** Returns the state at the mark, for a full checkpoint. */
  full(): ReadonlyMap<string, StoredTensor>;
  /** Returns what changed between the last save and the mark, for a delta. */
  changes(): ReadonlyMap<string, StoredTensor>;
  /** Notes that the mark was saved. */
  markSaved(): void;
}
