import type { LiveCounters } from '../data/counters/live-counters.js';
import type { EventSources } from '../data/objects/event-source.js';
import { ROW_STATE_NAMES, type RowStateName, type ServedStates } from '../data/states/row-states.js';
import type { ServedState } from '../io/saved-state.js';
import { readChanges } from '../runs/checkpoint-tensors.js';
import type { CheckpointFolder } from '../runs/manifest.js';
import { loadStates } from '../trained-model/load-states.js';
import type { Question, Supplement } from './messages.js';

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
    return new LiveState(await loadStates(folder, ROW_STATE_NAMES));
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
  supply({ id, queries }: Question): Supplement {
    const answers = Array.from(queries, ([name, query]): [RowStateName, unknown] => {
      const state: ServedState = this.#states[name]!;
      return [name, state.find(query)];
    });
    return { supplements: id, answers: new Map(answers) };
  }

  /**
   * Reads and verifies the state after a delta, of the same config, and changes nothing yet.
   * @returns function that switches to it
   * @throws UserError (checkpoint) for a missing or invalid file
   */
  async prepare(delta: CheckpointFolder): Promise<() => void> {
    const switches: (() => void)[] = [];
    for (const name of ROW_STATE_NAMES) {
      const state = this.#states[name];
      const change = state && (await readChanges(delta, name, (changes) => state.prepare(changes)));
      if (change !== undefined) switches.push(change);
    }
    return () => switches.forEach((change) => change());
  }
}
