import type { Problem } from '../../core/errors.js';
import { givenColumn, type Task } from '../../core/tasks.js';
import { listDelayed, type DelayedTask } from '../../delay/delays.js';
import { joinedEvents, timeColumn, type JoinOptions } from '../join-options.js';
import { hasDelay } from '../replay/replayed-dataset.js';
import { RowSamples } from '../replay/row-samples.js';
import type { WaitingRows } from './waiting-rows.js';

/**
 * Returns the time of the next record of a row, if no event follows those that happened; undefined if there is none.
 * A row without a click has one record for tasks without delay, if there are any.
 * @param closesMs last time at which an event of the row may happen
 */
export type NextSample = (rows: WaitingRows, slot: number, closesMs: number | undefined) => number | undefined;

/**
 * Records of joined rows with delayed labels: one per sample, when its time has passed. Samples up to a time do not
 * depend on later events.
 * @param tasks delayed ones follow `checkJoinedDelays`
 * @returns undefined if no label is delayed
 */
export function joinedSamples(tasks: readonly Task[], join: JoinOptions): NextSample | undefined {
  if (!hasDelay(tasks)) return undefined;
  const eventOf = findEvents(join);
  const samples = new RowSamples(tasks);
  /** Index of the event with the time of the click; undefined if the row has the time of the click. */
  const from = eventOf(samples.timeColumn);
  /** By delayed task: index of the event that is its conversion. */
  const events = listDelayed(tasks).map(({ options }) => eventOf(options.event)!);
  /** Times of the events of a row, which each row overwrites. */
  const eventsMs = events.map((): number | undefined => undefined);
  return (rows, slot, closesMs) => {
    const number = rows.columns.numRecords[slot]!;
    const fromMs = from === undefined ? rows.columns.times[slot]! : rows.eventTime(slot, from);
    if (Number.isNaN(fromMs)) return samples.hasPlain && number === 0 ? closesMs : undefined;
    for (let t = 0; t < events.length; t++) {
      const eventMs = rows.eventTime(slot, events[t]!);
      eventsMs[t] = Number.isNaN(eventMs) ? undefined : eventMs;
    }
    const sample = samples.listAt(fromMs, eventsMs)[number];
    return sample && fromMs + sample.afterMs;
  };
}

/** Returns a function from a column with the time of an event to the index of the event. */
function findEvents(join: JoinOptions): (column: string) => number | undefined {
  const indices = new Map(Object.keys(join.events).map((name, e) => [timeColumn(name), e]));
  return (column) => indices.get(column);
}

/** Reports delayed tasks without the times of a join, and events that are not certain at the click. */
export function* checkJoinedDelays(tasks: readonly Task[], join: JoinOptions): Generator<Problem> {
  const events = joinedEvents(join);
  const eventOf = findEvents(join);
  const delayed = listDelayed(tasks);
  if (delayed.length === 0) return;
  for (const each of delayed) yield* checkDelay(each, tasks, join);
  const certain = new Set(delayed.flatMap(({ options: { event } }) => eventOf(event) ?? []));
  for (const { options } of delayed)
    for (let at = eventOf(options.from); at !== undefined; at = events[at]!.after) certain.add(at);
  for (const [e, { name }] of events.entries())
    if (!certain.has(e))
      yield {
        key: `data.join.events.${name}`,
        message: `may happen after ${delayed[0]!.options.from}, when rows with a delayed label are first trained on`,
        fix: 'add delay to the task that it is the label of, or remove it',
      };
}

function* checkDelay(
  { task, options: { from, event, format }, windowMs }: DelayedTask,
  tasks: readonly Task[],
  join: JoinOptions,
): Generator<Problem> {
  const key = `tasks.${task.name}.delay`;
  const events = joinedEvents(join);
  const times = events.map(({ name }) => timeColumn(name));
  const eventOf = findEvents(join);
  const click = events[eventOf(from) ?? -1];
  const conversion = events[eventOf(event) ?? -1];
  const eventKey = `data.join.events.${conversion?.name}`;
  if (format !== join.timeFormat)
    yield { key: `${key}.format`, message: `is ${format}, not that of data.join`, fix: `set it to ${join.timeFormat}` };
  if (click === undefined && from !== join.time)
    yield {
      key: `${key}.from`,
      message: `${from} is not a time of data.join`,
      fix: `use ${[join.time, ...times].join(' or ')}`,
    };
  if (conversion === undefined)
    yield { key: `${key}.event`, message: `${event} is not a time of data.join`, fix: `use ${times.join(' or ')}` };
  else if (conversion.after !== eventOf(from))
    yield {
      key: `${eventKey}.after`,
      message: `is not the event that ${key}.from names`,
      fix: click === undefined ? 'remove it' : `set it to ${click.name}`,
    };
  if (conversion !== undefined && conversion.withinMs < windowMs)
    yield {
      key: `${eventKey}.within`,
      message: `is shorter than ${key}.window, so that later conversions would be lost`,
      fix: 'set both to the same duration',
    };
  const given = givenColumn(task, tasks);
  if (given !== click?.name)
    yield {
      key: `tasks.${task.name}.given`,
      message: `is ${given ?? 'missing'}, but delay is from ${from}`,
      fix: click === undefined ? 'remove it' : `set it to the task with label ${click.name}`,
    };
}
