import { didYouMean, quoted, UserError, userError, type Problem } from '../../core/errors.js';
import { wallClockMs } from '../../system/clock.js';
import { formatTime } from '../../text/dates.js';
import type { CounterPlan } from './counter-plan.js';
import { startSet, type CounterSet } from './counter-set.js';
import { splitStates, type RunCounters } from './counter-start.js';
import type { DialectOptions } from '../dialect.js';
import { readEvents, type CounterQuery } from './given-counters.js';
import type { GivenRows } from '../objects/given-rows.js';
import type { ServedState, StateTensors } from '../../io/saved-state.js';

/** Maximum number of problems of an error. */
const MAX_PROBLEMS = 10;
/** Maximum time by which the clock of a client may be fast. */
const MAX_AHEAD_MS = 60_000;

/**
 * Counters of a trained model, from the state after its latest data. They are read at any later time, in any order, and
 * change with events and deltas alone.
 */
export class LiveCounters implements ServedState<CounterQuery, readonly Float32Array[]> {
  readonly #plan: CounterPlan;
  readonly #decimal: DialectOptions['decimal'];
  #set: CounterSet;
  /** Time of the state; earlier values are unknown. */
  #beginMs: number;

  /** @param decimal separator in strings; default: a dot */
  constructor(plan: CounterPlan, { ends }: RunCounters, decimal?: DialectOptions['decimal']) {
    this.#plan = plan;
    this.#decimal = decimal;
    this.#set = startSet(plan, ends.at(-1));
    this.#beginMs = this.#set.clock;
  }

  prepare(changes: StateTensors): () => void {
    const set = startSet(this.#plan, splitStates(changes).ends.at(-1));
    return () => {
      this.#set = set;
      this.#beginMs = set.clock;
    };
  }

  /** Returns the values of each counter by row; NaN for a row before the time of the state. */
  find({ times, keys }: CounterQuery): readonly Float32Array[] {
    const values = this.#plan.names.map(() => new Float32Array(times.length));
    const nowMs = wallClockMs();
    for (const [row, given] of times.entries()) {
      const time = Number.isNaN(given) ? nowMs : given;
      if (time < this.#beginMs - this.#plan.toleranceMs) for (const own of values) own[row] = NaN;
      else this.#set.read({ time, keys: keys[row]! }, values, row);
    }
    return values;
  }

  /** Time of the latest event in ISO 8601; null for none. */
  get latest(): string | null {
    const latest = Math.max(...this.#plan.names.map((_, i) => this.#set.clockOf(i)));
    return Number.isFinite(latest) ? formatTime(latest) : null;
  }

  /**
   * Adds the events of rows in order of time, or none if a row is invalid.
   * @param of labels whose counters the events are added to, or none for those that count rows; default: all counters
   * @throws UserError (data) for rows that are late, lack a key, or have an invalid label, or a time that is invalid or
   * in the future; for a label without counters
   */
  add(given: GivenRows, of?: readonly string[]): void {
    const counters = this.#countersOf(of);
    const rows = readEvents(this.#plan, counters, given, this.#decimal);
    const problems: Problem[] = [];
    let latest = Math.max(...counters.map((i) => this.#set.clockOf(i)));
    const end = wallClockMs() + this.#plan.toleranceMs + MAX_AHEAD_MS;
    for (const [row, { time }] of rows.entries()) {
      const problem = this.#problemOf(time, latest, end);
      if (problem === undefined) latest = Math.max(latest, time);
      else problems.push({ where: given.placeOf(row), key: `column ${quoted(this.#plan.time)}`, ...problem });
    }
    if (problems.length > 0) throw new UserError('data', problems.slice(0, MAX_PROBLEMS));
    for (const row of rows) for (const i of counters) this.#set.add(i, row);
  }

  /** Lists the numbers of the counters of some labels. */
  #countersOf(of: readonly string[] | undefined): readonly number[] {
    const { labels, labelOf, specs } = this.#plan;
    for (const label of of ?? []) {
      if (labels.includes(label)) continue;
      const fix = didYouMean(label, labels);
      const message = `no counter has of: ${label}; expected ${labels.join(', ') || 'no label'}`;
      throw userError('data', { where: 'of', message, ...(fix !== undefined && { fix }) });
    }
    const selected = specs.map((_, i) => i);
    if (of === undefined) return selected;
    const isSelected = (i: number): boolean => (labelOf[i]! < 0 ? of.length === 0 : of.includes(labels[labelOf[i]!]!));
    return selected.filter(isSelected);
  }

  #problemOf(time: number, latest: number, end: number): Problem | undefined {
    if (Number.isNaN(time)) return { message: 'is not a valid time', fix: 'add the time of the event' };
    if (time > end) return { message: `is ${formatTime(time)}, later than now`, fix: 'correct the time or its format' };
    if (time >= latest - this.#plan.toleranceMs) return undefined;
    return {
      message: `is ${formatTime(time)}, earlier than ${formatTime(latest)}, the time of the latest event`,
      fix: 'send events in order of time, or train with a larger data.counters.tolerance',
    };
  }
}
