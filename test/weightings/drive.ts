import type { Observation, Weighting } from '../../src/weightings/weighting.js';

/** One step of a weighting as an engine takes it: the weights of the step, and the state after it. */
export function stepOf(
  weighting: Weighting,
  before: object,
  seen: Observation,
): { weights: readonly number[]; state: object } {
  const { losses, gramian, step, epoch } = seen;
  const state = weighting.needs === 'losses' ? before : weighting.observe(before, { losses, gramian, step, epoch });
  const weights = weighting.weights(state);
  const isObserved = weighting.needs === 'gramian' || weighting.needs === 'current';
  return { weights, state: isObserved ? state : weighting.observe(state, seen) };
}
