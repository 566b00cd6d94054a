import { count, percent } from '../../text/number-text.js';
import type { JoinedEvent } from '../join-options.js';

/** Number of events after which their share without a row is checked. */
const CHECKED_EVENTS = 10_000;

/**
 * Creates a function that counts the events of logs that belong to no row; it returns a warning, once, if most events
 * of a log have no row.
 */
export function createMatchCounter(
  joined: readonly JoinedEvent[],
): (event: number, hasRow: boolean) => string | undefined {
  const logs = joined.map(({ name }) => ({ name, events: 0, unmatched: 0, isReported: false }));
  return (event, hasRow) => {
    const log = logs[event]!;
    log.events++;
    if (hasRow) return undefined;
    const unmatched = ++log.unmatched;
    if (log.events < CHECKED_EVENTS || log.isReported || 2 * unmatched < log.events) return undefined;
    log.isReported = true;
    return (
      `data.join.events.${log.name}: ${percent(unmatched / log.events)} of ${count(log.events)} events have no row ` +
      'that waits for them; check key, within and the order of the logs'
    );
  };
}
