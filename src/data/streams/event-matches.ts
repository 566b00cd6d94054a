import { count, percent } from '../../text/number-text.js';
import type { JoinedEvent } from '../join-options.js';

/** Number of events after which their share without a row is checked. */
const CHECKED_EVENTS = 10_000;

/** Counts the events of logs that belong to no row. */
export class EventMatches {
  readonly #logs: readonly { readonly name: string; events: number; unmatched: number; isReported: boolean }[];

  constructor(events: readonly JoinedEvent[]) {
    this.#logs = events.map(({ name }) => ({ name, events: 0, unmatched: 0, isReported: false }));
  }

  /** Counts an event; returns a warning, once, if most events of a log have no row. */
  count(event: number, hasRow: boolean): string | undefined {
    const log = this.#logs[event]!;
    log.events++;
    if (hasRow) return undefined;
    const unmatched = ++log.unmatched;
    if (log.events < CHECKED_EVENTS || log.isReported || 2 * unmatched < log.events) return undefined;
    log.isReported = true;
    return (
      `data.join.events.${log.name}: ${percent(unmatched / log.events)} of ${count(log.events)} events have no row ` +
      'that waits for them; check key, within and the order of the logs'
    );
  }
}
