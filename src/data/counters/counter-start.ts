import { userError } from '../../core/errors.js';
import type { StoredTensor } from '../../io/safetensors.js';
import { formatTime } from '../../text/dates.js';
import { makeKey } from '../readers/fingerprint.js';
import type { CounterPlan } from './counter-plan.js';
import { readContent, CounterSet, readTimes, type CounterState } from './counter-set.js';

/** States of the counters of a run. */
export interface RunCounters {
  /** Before the training set, if the run continued the counters of another one, with the time of its first row. */
  readonly start?: CounterState | undefined;
  /** After the training, validation and test set, in order of time. */
  readonly ends: readonly CounterState[];
}

/** Counters that begin at zero. */
export const NO_COUNTERS: RunCounters = { ends: [] };

/** Counters of a run from which another run continues. */
export interface EarlierCounters extends RunCounters {
  /** Undefined if the run has no counters. */
  readonly plan: CounterPlan | undefined;
  /** Checkpoint of the run. */
  readonly path: string;
}

/** First row of some data. */
export interface FirstRow {
  /** Time in milliseconds since 1970. */
  readonly time: number;
  readonly path: string;
}

/**
 * Chooses the state from which counters continue: the latest one that ends before the first row, or that before the
 * training set if the row is not later than it. The state is undefined for counters that begin at zero.
 * @returns undefined if the events before the row are unknown, since they are a part of the training set
 */
function findStart(
  { toleranceMs }: CounterPlan,
  { start, ends }: RunCounters,
  time: number,
): { readonly state: CounterState | undefined } | undefined {
  const isAfter = (state: CounterState): boolean => readTimes(state).clock - toleranceMs <= time;
  const end = ends.findLast(isAfter);
  if (end !== undefined) return { state: end };
  const first = start ?? ends[0];
  const isWhole = first === undefined || time <= readTimes(first).begin;
  return isWhole && (start === undefined || isAfter(start)) ? { state: start } : undefined;
}

/**
 * Chooses the state of a run from which the counters of other data continue.
 * @throws UserError (data) if the data begins within the training set
 */
export function chooseStart(plan: CounterPlan, counters: RunCounters, first: FirstRow): CounterState | undefined {
  const found = findStart(plan, counters, first.time);
  if (found !== undefined) return found.state;
  const { start, ends } = counters;
  const isWithin = start === undefined || readTimes(start).begin < first.time;
  throw userError('data', {
    where: first.path,
    message:
      `begins at ${formatTime(first.time)}, ${isWithin ? 'within' : 'before'} the training set, which ends at ` +
      `${formatTime(readTimes(ends[0] ?? start!).clock)}, so earlier events of its counters are unknown`,
    fix: 'use rows after the training set, or all of its files',
  });
}

/**
 * Continues the counters of an earlier run in a new one. A counter whose options changed begins at zero, as do all
 * counters if the new data begins within the training set of that run.
 * @returns undefined for counters that begin at zero, and a description for the log
 */
export function continueCounters(
  plan: CounterPlan,
  earlier: EarlierCounters,
  { time }: FirstRow,
): { readonly state: CounterState | undefined; readonly notice: string } {
  const { plan: saved, path } = earlier;
  const continued = saved === undefined ? [] : plan.continuedFrom(saved);
  const others = plan.names.filter((name) => !continued.includes(name));
  if (saved === undefined || continued.length === 0)
    return { state: undefined, notice: `all counters begin at zero, since ${path} has none with the same options` };
  const found = findStart(plan, earlier, time);
  if (found?.state === undefined)
    return {
      state: undefined,
      notice:
        `all counters begin at zero, since the data begins at ${formatTime(time)}, within the training set of ` + path,
    };
  const set = CounterSet.restore(plan, found.state, saved);
  const content = readContent(found.state);
  const state = set.save(others.length === 0 ? content : makeKey(content, continued));
  return {
    state: new Map([...state, ['times', { shape: [2], data: Float64Array.of(time, set.clock) }]]),
    notice:
      `counters continue from ${path}, after ${formatTime(set.clock)}` +
      (others.length === 0 ? '' : `; ${others.join(', ')}: at zero, since ${path} has none with the same options`),
  };
}

/** Prefix of the tensors of the state before the training set; those after a set have its number. */
const START = 'start';

/** Joins states into tensors for one file. */
export function joinStates({ start, ends }: RunCounters): CounterState {
  const states = [...ends.entries(), ...(start === undefined ? [] : ([[START, start]] as const))];
  return new Map(
    states.flatMap(([key, state]) => [...state].map(([name, tensor]) => [`${key}.${name}`, tensor] as const)),
  );
}

/** Divides the tensors of a file into states; none without a file. */
export function splitStates(tensors: CounterState = new Map()): RunCounters {
  const states = new Map<string, Map<string, StoredTensor>>();
  for (const [name, tensor] of tensors) {
    const dot = name.indexOf('.');
    const key = name.slice(0, dot);
    const state = states.get(key) ?? new Map<string, StoredTensor>();
    states.set(key, state.set(name.slice(dot + 1), tensor));
  }
  const start = states.get(START);
  states.delete(START);
  return { start, ends: [...states.keys()].sort((a, b) => Number(a) - Number(b)).map((key) => states.get(key)!) };
}
