import type { LiveCounters } from '../data/counters/live-counters.js';
import type { EventSources } from '../data/objects/event-source.js';
import { readChanges } from '../runs/checkpoint-tensors.js';
import type { CheckpointFolder } from '../runs/manifest.js';
import { loadStates, type ServedStates } from '../trained-model/load-states.js';
import type { Question, Supplement } from './messages.js';

const NAMES = ['counters', 'histories'] as const;

/** Counters and events of the served checkpoint. The HTTP thread has them once for all prediction threads. */
export class LiveState {
  readonly #states: ServedStates;

  private constructor(states: ServedStates) {
    this.#states = states;
  }

  /**
   * Loads the state of a checkpoint.
   * @throws UserError (checkpoint) for a missing or invalid file
   */
  static async load(folder: string): Promise<LiveState> {
    return new LiveState(await loadStates(folder, NAMES));
  }

  /** Undefined for a model without counters. */
  get counters(): LiveCounters | undefined {
    return this.#states.counters;
  }

  /** Logs whose events this has. */
  get sources(): EventSources {
    return this.#states.histories?.remoteSources ?? new Map();
  }

  /** Returns what the rows of a prediction thread lack. */
  supply({ id, counters, histories }: Question): Supplement {
    return {
      supplements: id,
      counters: counters && this.#states.counters!.read(counters),
      histories: histories && this.#states.histories!.find(histories),
    };
  }

  /**
   * Reads and verifies the state after a delta, of the same config, and changes nothing yet.
   * @returns function that switches to it
   * @throws UserError (checkpoint) for a missing or invalid file
   */
  async prepare(delta: CheckpointFolder): Promise<() => void> {
    const switches: (() => void)[] = [];
    for (const name of NAMES) {
      const state = this.#states[name];
      const change = state && (await readChanges(delta, name, (changes) => state.prepare(changes)));
      if (change !== undefined) switches.push(change);
    }
    return () => switches.forEach((change) => change());
  }
}
