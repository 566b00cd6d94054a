import type { LiveCounters } from '../data/counters/live-counters.js';
import type { EventSources } from '../data/objects/event-source.js';
import type { LiveEvents } from '../data/objects/live-events.js';
import type { CheckpointFolder } from '../runs/manifest.js';
import { loadCounters, readCounterChanges } from '../trained-model/load-counters.js';
import { loadEvents, readEventChanges } from '../trained-model/load-events.js';
import type { Question, Supplement } from './messages.js';

/** Counters and events of the served checkpoint. The HTTP thread has them once for all prediction threads. */
export class LiveState {
  #counters: LiveCounters | undefined;
  readonly #events: LiveEvents | undefined;

  private constructor(counters: LiveCounters | undefined, events: LiveEvents | undefined) {
    this.#counters = counters;
    this.#events = events;
  }

  /**
   * Loads the state of a checkpoint.
   * @throws UserError (checkpoint) for a missing or invalid file
   */
  static async load(folder: string): Promise<LiveState> {
    return new LiveState(await loadCounters(folder), await loadEvents(folder));
  }

  /** Undefined for a model without counters. */
  get counters(): LiveCounters | undefined {
    return this.#counters;
  }

  /** Logs whose events this has. */
  get sources(): EventSources {
    return this.#events?.remoteSources ?? new Map();
  }

  /** Returns what the rows of a prediction thread lack. */
  supply({ id, counters, histories }: Question): Supplement {
    return {
      supplements: id,
      counters: counters && this.#counters!.read(counters),
      histories: histories && this.#events!.find(histories),
    };
  }

  /**
   * Reads and verifies the state after a delta, of the same config, and changes nothing yet.
   * @returns function that switches to it
   * @throws UserError (checkpoint) for a missing or invalid file
   */
  async prepare(delta: CheckpointFolder): Promise<() => void> {
    const counters = this.#counters && (await readCounterChanges(this.#counters, delta));
    const events = this.#events && (await readEventChanges(this.#events, delta));
    return () => {
      this.#counters = counters ?? this.#counters;
      if (events !== undefined) this.#events!.append(events);
    };
  }
}
