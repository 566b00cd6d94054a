import type { Goals } from '../evaluation/goals.js';
import type { LoopState } from './loop-state.js';
import { goalOfMonitor, monitoredOf, type Measurement } from './monitor.js';

/**
 * Follows metrics beside the monitored one.
 * @param bests the best value of each so far, which is moved on
 * @param goals which way each is better
 * @returns those whose best value this is
 */
export function observeBests(
  measurement: Measurement,
  monitors: readonly string[],
  bests: LoopState['bests'],
  goals: Goals,
): readonly string[] {
  return monitors.filter((monitor) => {
    const value = monitoredOf(measurement, monitor);
    const best = bests[monitor] ?? null;
    const isBest =
      value !== null && (best === null || (goalOfMonitor(monitor, goals) === 'higher' ? value > best : value < best));
    if (isBest) bests[monitor] = value;
    return isBest;
  });
}
