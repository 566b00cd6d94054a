import type { MetricDirections } from '../evaluation/metric-direction.js';
import type { LoopState } from './loop-state.js';
import { goalOfMonitor, readMonitored, type Measurement } from './monitor.js';

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
  goals: MetricDirections,
): readonly string[] {
  return monitors.filter((monitor) => {
    const value = readMonitored(measurement, monitor);
    const best = bests[monitor] ?? null;
    const isBest =
      value !== null && (best === null || (goalOfMonitor(monitor, goals) === 'higher' ? value > best : value < best));
    if (isBest) bests[monitor] = value;
    return isBest;
  });
}
