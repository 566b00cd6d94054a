import type { MetricDirections } from '../evaluation/metric-direction.js';
import type { LoopState } from './loop-state.js';
import { getGoal, readMonitored, type Measurement } from './monitor.js';

/**
 * Updates the best values of additional monitors.
 * @param bests best value of each monitor so far; updated
 * @param goals direction of improvement of each metric
 * @returns the monitors that improved
 */
export function observeBests(
  measurement: Measurement,
  monitors: readonly string[],
  bests: LoopState['bests'],
  goals: MetricDirections,
): readonly string[] {
  return monitors.filter((monitor) => {
    const value = readMonitored(measurement, monitor);
    const best = bests[monitor] ?? null;
    const isBest =
      value !== null && (best === null || (getGoal(monitor, goals) === 'higher' ? value > best : value < best));
    if (isBest) bests[monitor] = value;
    return isBest;
  });
}
