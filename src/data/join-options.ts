import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import { columnName } from '../core/conditions.js';
import { timeFormatOption } from '../features/wall-clock.js';
import { durationText, parseDuration } from '../core/duration.js';

const eventOptions = z.strictObject({
  file: z.string().min(1).describe('Log of the events: a stream, as data.train'),
  within: durationText.describe('Maximum time after the row, or after the event that `after` names, such as 30m'),
  after: z.string().min(1).optional().describe('Event that must have happened before, such as click; default: none'),
});

/** The `join` section of `data`. */
export const joinOptions = z
  .strictObject({
    key: columnName.describe('Column of all logs with the id of the row to which an event belongs'),
    time: columnName.describe('Column of all logs with the time'),
    timeFormat: timeFormatOption('Format of the time'),
    events: z
      .record(columnName, eventOptions)
      .describe('Events by name: each adds the columns NAME, which is 1 or 0, and NAME_time'),
    memory: z.int().min(1).default(256).describe('Maximum megabytes of waiting rows in memory; others are on disk'),
  })
  .describe('Labels from logs of events, with mtl train --follow');
export type JoinOptions = z.output<typeof joinOptions>;

/** Reports events that follow unknown ones, or themselves. */
export function* checkJoin({ events }: JoinOptions): Generator<ValidationIssue> {
  for (const [name, { after }] of Object.entries(events)) {
    const path = ['events', name, 'after'];
    if (after === undefined) continue;
    if (!Object.hasOwn(events, after))
      yield { path, message: `expected ${Object.keys(events).join(' or ')}, found ${after}` };
    else if (isCircular(events, name)) yield { path, message: `events follow each other in a circle` };
  }
}

/** Returns whether the events before an event have no first one. */
function isCircular(events: JoinOptions['events'], name: string): boolean {
  let before: string | undefined = name;
  for (let i = 0; before !== undefined && i < Object.keys(events).length; i++) before = events[before]?.after;
  return before !== undefined;
}

/** An event with resolved options. */
export interface JoinedEvent {
  readonly name: string;
  readonly file: string;
  readonly withinMs: number;
  /** Index of the event that must have happened before; undefined for none. */
  readonly after: number | undefined;
}

/** Lists the events of a join. */
export function joinedEvents({ events }: JoinOptions): readonly JoinedEvent[] {
  const names = Object.keys(events);
  return Object.entries(events).map(([name, { file, within, after }]) => ({
    name,
    file,
    withinMs: parseDuration(within),
    after: after === undefined ? undefined : names.indexOf(after),
  }));
}

/** Returns the columns that a join adds. */
export function joinedColumns({ events }: JoinOptions): readonly string[] {
  return Object.keys(events).flatMap((name) => [name, timeColumn(name)]);
}

/** Name of the column with the time of an event. */
export function timeColumn(event: string): string {
  return `${event}_time`;
}
