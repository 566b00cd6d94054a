import { CounterPlan } from '../counters/counter-plan.js';
import { splitStates } from '../counters/counter-start.js';
import { LiveCounters } from '../counters/live-counters.js';
import { FollowedCounters } from '../streams/followed-counters.js';
import { continued, type StateKind } from './state-kind.js';

/** Counters of earlier events, of which a delta has the whole state after its rows. */
export const counters: StateKind<'counters', LiveCounters> = {
  follow({ counters: plan }, { tensors, findStart }) {
    if (plan === undefined) return undefined;
    return tensors === undefined
      ? new FollowedCounters(plan, findStart)
      : FollowedCounters.resume(plan, splitStates(tensors));
  },
  reads: 'last',
  continue: continued((before, changes) => new Map([...before, ...changes])),
  serve(tensors, data, tasks) {
    const plan = CounterPlan.of(data, tasks);
    return plan && new LiveCounters(plan, splitStates(tensors), data.decimal);
  },
};
