import { EventLogBuilder } from '../../features/event-log-builder.js';
import type { EventLog } from '../../features/event-log.js';
import type { LogUse } from '../../features/log-uses.js';
import type { StoredEvents } from '../../features/stored-events.js';
import { textReader } from '../../features/vocabulary/string-pool.js';
import type { HistoryOptions } from '../sequence-options.js';

/**
 * Returns the events of a stream as a log: of each user the newest ones, of which rows see those before their time.
 * @param uses by the names of the values
 * @throws Error if the events lack a column
 */
export function streamedLog(
  name: string,
  { key, until }: HistoryOptions,
  uses: ReadonlyMap<string, LogUse>,
  { place, users, lengths, times, columns: stored }: StoredEvents,
): EventLog {
  const builder = new EventLogBuilder(
    name,
    Array.from(uses.values(), ({ column }) => column),
  );
  const readers = new Map(
    Array.from(
      uses,
      ([
        values,
        {
          column: { column },
        },
      ]): [string, (event: number) => string | number] => {
        const own = stored.get(column);
        if (own === undefined) throw new Error(`the events of '${name}' have no column '${column}'`);
        if ('numbers' in own) return [values, (event) => own.numbers[event]!];
        const text = textReader(own.texts);
        return [values, (event) => (own.codes[event] === 0 ? '' : text(own.codes[event]!))];
      },
    ),
  );
  const userAt = textReader(users);
  let end = 0;
  for (const [user, length] of lengths.entries()) {
    end += length;
    for (let event = end - Math.min(length, place.last); event < end; event++)
      builder.add(userAt(user), times[event]!, (values) => readers.get(values)!(event));
  }
  return { ...builder.finish(), key, until };
}
