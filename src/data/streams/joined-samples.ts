import type { Problem } from '../../core/errors.js';
import { givenColumn, type Task } from '../../core/tasks.js';
import { listDelayed } from '../../delay/delays.js';
import { joinedEvents, timeColumn, type JoinOptions } from '../join-options.js';
import { hasDelay } from '../replay/replayed-dataset.js';
import { RowSamples } from '../replay/row-samples.js';
import type { WaitingRows } from './waiting-rows.js';

/**
 * Records of a joined row with delayed labels: one per sample, when its time has passed. Samples up to a time do not
 * depend on later events.
 */
export class JoinedSamples {
  readonly #samples: RowSamples;
  /** Index of the event with the time of the click; undefined if it is that of the row. */
  readonly #from: number | undefined;
  /** By delayed task: index of the event that is its conversion. */
  readonly #events: readonly number[];
  /** Times of these events of a row, which each row overwrites. */
  readonly #eventsMs: (number | undefined)[];

  /** @param tasks delayed ones follow `checkJoinedDelays` */
  constructor(tasks: readonly Task[], join: JoinOptions) {
    const eventOf = findEvents(join);
    this.#samples = new RowSamples(tasks);
    this.#from = eventOf(this.#samples.timeColumn);
    this.#events = listDelayed(tasks).map(({ options }) => eventOf(options.event)!);
    this.#eventsMs = this.#events.map(() => undefined);
  }

  /**
   * Returns the time of the next record of a row, if no event follows those that happened; undefined if there is none.
   * A row without a click has one record for tasks without delay, if there are any.
   * @param closesMs last time at which an event of the row may happen
   */
  nextTime(rows: WaitingRows, slot: number, closesMs: number | undefined): number | undefined {
    const number = rows.numRecords[slot]!;
    const fromMs = this.#from === undefined ? rows.times[slot]! : rows.eventTime(slot, this.#from);
    if (Number.isNaN(fromMs)) return this.#samples.hasPlain && number === 0 ? closesMs : undefined;
    for (let t = 0; t < this.#events.length; t++) {
      const eventMs = rows.eventTime(slot, this.#events[t]!);
      this.#eventsMs[t] = Number.isNaN(eventMs) ? undefined : eventMs;
    }
    const sample = this.#samples.listAt(fromMs, this.#eventsMs)[number];
    return sample && fromMs + sample.afterMs;
  }
}

/** Returns the samples of a join; undefined if no label is delayed. */
export function joinedSamples(tasks: readonly Task[], join: JoinOptions): JoinedSamples | undefined {
  return hasDelay(tasks) ? new JoinedSamples(tasks, join) : undefined;
}

/** Returns a function from a column with the time of an event to the index of the event. */
function findEvents(join: JoinOptions): (column: string) => number | undefined {
  const indices = new Map(Object.keys(join.events).map((name, e) => [timeColumn(name), e]));
  return (column) => indices.get(column);
}

/** Reports delayed tasks whose times are not those of a join, and events that are not certain at the click. */
export function* checkJoinedDelays(tasks: readonly Task[], join: JoinOptions): Generator<Problem> {
  const events = joinedEvents(join);
  const eventOf = findEvents(join);
  const delayed = listDelayed(tasks);
  if (delayed.length === 0) return;
  const certain = new Set(delayed.flatMap(({ options: { event } }) => eventOf(event) ?? []));
  for (const { task, options, windowMs } of delayed) {
    const key = `tasks.${task.name}.delay`;
    const { from, event, format } = options;
    const click = eventOf(from);
    const conversion = events[eventOf(event) ?? -1];
    for (let at = click; at !== undefined; at = events[at]!.after) certain.add(at);
    const times = events.map(({ name }) => timeColumn(name));
    if (format !== join.timeFormat)
      yield {
        key: `${key}.format`,
        message: `is ${format}, not that of data.join`,
        fix: `set it to ${join.timeFormat}`,
      };
    if (click === undefined && from !== join.time)
      yield {
        key: `${key}.from`,
        message: `${from} is not a time of data.join`,
        fix: `use ${[join.time, ...times].join(' or ')}`,
      };
    if (conversion === undefined)
      yield { key: `${key}.event`, message: `${event} is not a time of data.join`, fix: `use ${times.join(' or ')}` };
    else yield* checkConversion(`data.join.events.${conversion.name}`, conversion, { click, windowMs, events, key });
    const given = givenColumn(task, tasks);
    const expected = click === undefined ? undefined : events[click]!.name;
    if (given !== expected)
      yield {
        key: `tasks.${task.name}.given`,
        message: `is ${given ?? 'missing'}, but delay is from ${from}`,
        fix: expected === undefined ? 'remove it' : `set it to the task with label ${expected}`,
      };
  }
  for (const [e, { name }] of events.entries())
    if (!certain.has(e))
      yield {
        key: `data.join.events.${name}`,
        message: `may happen after ${delayed[0]!.options.from}, when rows with a delayed label are first trained on`,
        fix: 'add delay to the task that it is the label of, or remove it',
      };
}

function* checkConversion(
  eventKey: string,
  { withinMs, after }: ReturnType<typeof joinedEvents>[number],
  {
    click,
    windowMs,
    events,
    key,
  }: {
    readonly click: number | undefined;
    readonly windowMs: number;
    readonly events: ReturnType<typeof joinedEvents>;
    readonly key: string;
  },
): Generator<Problem> {
  if (after !== click)
    yield {
      key: `${eventKey}.after`,
      message: `is not the event that ${key}.from names`,
      fix: click === undefined ? 'remove it' : `set it to ${events[click]!.name}`,
    };
  if (withinMs < windowMs)
    yield {
      key: `${eventKey}.within`,
      message: `is shorter than ${key}.window, so that later conversions would be lost`,
      fix: 'set both to the same duration',
    };
}
