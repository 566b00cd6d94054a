import { userError } from '../../core/errors.js';
import type { CounterPlan } from './counter-plan.js';
import { timesOf, type CounterState } from './counter-set.js';

/**
 * Chooses the state from which counters continue: the latest one that ends before the first row, or none if no row of
 * training is earlier.
 * @param states of the training, validation and test set of a run, in order of time; empty for training
 * @param path of the first row, for errors
 * @throws UserError (data) if the first row is between two rows of training
 */
export function chooseStart(
  plan: CounterPlan,
  states: readonly CounterState[],
  time: number,
  path: string,
): CounterState | undefined {
  const found = states.findLast((state) => timesOf(state).clock - plan.toleranceMs <= time);
  if (found !== undefined || states.length === 0) return found;
  const { begin, clock } = timesOf(states[0]!);
  if (time <= begin) return undefined;
  const iso = (ms: number): string => new Date(ms).toISOString();
  throw userError('data', {
    where: path,
    message:
      `begins at ${iso(time)}, within the training set, which ends at ${iso(clock)}, so earlier events of its ` +
      'counters are unknown',
    fix: 'use rows after the training set, or all of its files',
  });
}

/** Joins states into tensors for one file. */
export function joinStates(states: readonly CounterState[]): CounterState {
  return new Map(states.flatMap((state, i) => [...state].map(([name, tensor]) => [`${i}.${name}`, tensor] as const)));
}

/** Divides the tensors of a file into states. */
export function splitStates(tensors: CounterState): readonly CounterState[] {
  const states: Map<string, CounterState extends ReadonlyMap<string, infer Tensor> ? Tensor : never>[] = [];
  for (const [name, tensor] of tensors) {
    const dot = name.indexOf('.');
    (states[Number(name.slice(0, dot))] ??= new Map()).set(name.slice(dot + 1), tensor);
  }
  return states;
}
