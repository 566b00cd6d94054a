import { parseDuration } from '../../core/duration.js';
import type { Problem } from '../../core/errors.js';
import type { Task } from '../../core/tasks.js';
import { listDelayed } from '../../delay/delays.js';
import { resolveCounters, type CountersOptions } from '../counter-options.js';
import { joinedColumns, joinedEvents, timeColumn, type JoinedEvent, type JoinOptions } from '../join-options.js';

/**
 * Reports counters of joined rows that would see later events, or that would refuse rows as late. Rows are counted when
 * no event can change them, so a row may come after others that are later by up to the longest wait, and an event of a
 * row happens up to the wait for it after the row.
 */
export function* checkJoinedCounters(
  tasks: readonly Task[],
  join: JoinOptions,
  counters: CountersOptions,
): Generator<Problem> {
  const key = 'data.counters';
  const events = joinedEvents(join);
  const waitsMs = events.map((_, event) => maxWaitMs(events, event));
  const longestMs = Math.max(0, ...waitsMs);
  if (listDelayed(tasks).length > 0)
    yield {
      key,
      message: 'count each row once, but a row with a delayed label is trained on several times',
      fix: 'remove delay from all tasks, or compute the counters before mtl',
    };
  if (counters.time !== join.time || counters.format !== join.timeFormat)
    yield {
      key: `${key}.time`,
      message: 'is not the time of data.join',
      fix: `set time to ${join.time} and format to ${join.timeFormat}`,
    };
  if (parseDuration(counters.tolerance) < longestMs)
    yield {
      key: `${key}.tolerance`,
      message: 'is shorter than the time that a row waits for its events',
      fix: `set it to ${longestMs / 1000}s or more`,
    };
  for (const { name, by, of, delayMs } of resolveCounters(counters)) {
    const later = by.find((column) => joinedColumns(join).includes(column));
    if (later !== undefined)
      yield {
        key: `${key}.count.${name}.by`,
        message: `has ${later}, which is not known at the time of a row`,
        fix: 'use columns of data.train',
      };
    const event = events.findIndex((each) => of === each.name || of === timeColumn(each.name));
    if (event >= 0 && delayMs < waitsMs[event]!)
      yield {
        key: `${key}.count.${name}.delay`,
        message: `is shorter than the time until ${of} is certain, so events after a row would count for it`,
        fix: `set it to ${waitsMs[event]! / 1000}s or more`,
      };
  }
}

/** Returns the maximum time from a row to one of its events. */
function maxWaitMs(events: readonly JoinedEvent[], event: number): number {
  const { withinMs, after } = events[event]!;
  return withinMs + (after === undefined ? 0 : maxWaitMs(events, after));
}
