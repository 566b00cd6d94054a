import type { Exchanged } from '../../src/engines/cpu/kernels.js';
import type { Work } from './model.js';

/** Milliseconds on a clock that all ranks share. */
interface Span {
  readonly beginMs: number;
  readonly endMs: number;
}

/** A step of one rank: its time span and its exchanges, in order. */
export interface StepTimes extends Span {
  readonly exchanges: readonly (Span & {
    readonly what: Exchanged;
    readonly bytes: number;
    readonly messages: number;
    readonly isBegun?: boolean;
  })[];
}

/** Data that a rank sends per step for one purpose. */
export interface Sent {
  readonly exchanges: number;
  readonly bytes: number;
  readonly messages: number;
}

/** Time of a step by phase and data sent: means over ranks and over the middle half of the steps. */
export interface Split {
  readonly stepMs: number;
  readonly computeMs: number;
  /** Time from the arrival of the last rank at an exchange. */
  readonly exchangeMs: number;
  /** Time spent waiting for it. */
  readonly waitMs: number;
  readonly sent: ReadonlyMap<Exchanged, Sent>;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Splits the time of steps into phases.
 * @param processes the same steps, by rank
 */
export function splitOf(processes: readonly (readonly StepTimes[])[]): Split {
  const steps = processes[0]!.map((first, s) => {
    const all = processes.map((each) => each[s]!);
    // An exchange starts when the last rank arrives.
    const latest = first.exchanges.map((_, e) => Math.max(...all.map(({ exchanges }) => exchanges[e]!.beginMs)));
    const waitMs = mean(
      all.map(({ exchanges }) =>
        exchanges.reduce((sum, { beginMs, endMs }, e) => sum + Math.max(0, Math.min(endMs, latest[e]!) - beginMs), 0),
      ),
    );
    const withinMs = mean(
      all.map(({ exchanges }) => exchanges.reduce((sum, { beginMs, endMs }) => sum + endMs - beginMs, 0)),
    );
    const stepMs = mean(all.map(({ beginMs, endMs }) => endMs - beginMs));
    return { stepMs, waitMs, exchangeMs: withinMs - waitMs, computeMs: stepMs - withinMs, all };
  });
  const middle = [...steps]
    .sort((a, b) => a.stepMs - b.stepMs)
    .slice(steps.length >> 2, steps.length - (steps.length >> 2));
  const of = (part: 'stepMs' | 'computeMs' | 'exchangeMs' | 'waitMs'): number => mean(middle.map((step) => step[part]));
  const sent = new Map<Exchanged, Sent>();
  const share = 1 / (steps.length * processes.length);
  for (const { exchanges } of processes.flat()) {
    for (const { what, bytes, messages } of exchanges) {
      const {
        exchanges: before,
        bytes: others,
        messages: more,
      } = sent.get(what) ?? { exchanges: 0, bytes: 0, messages: 0 };
      sent.set(what, { exchanges: before + share, bytes: others + bytes * share, messages: more + messages * share });
    }
  }
  return { stepMs: of('stepMs'), computeMs: of('computeMs'), exchangeMs: of('exchangeMs'), waitMs: of('waitMs'), sent };
}

/** Steps of a single rank with simulated peers, whose copies are not exchanges. */
export function workOf(processes: readonly (readonly StepTimes[])[]): Work {
  const msOf = (spansOf: (step: StepTimes) => Span): number =>
    splitOf(processes.map((steps) => steps.map((step) => ({ ...spansOf(step), exchanges: [] })))).stepMs;
  return {
    workMs: msOf((step) => step),
    meanwhileMs: msOf(({ beginMs, exchanges }) => {
      // The next exchange of dense gradients ends it.
      const begun = exchanges.findIndex(({ isBegun }) => isBegun === true);
      return begun === -1
        ? { beginMs, endMs: beginMs }
        : {
            beginMs: exchanges[begun]!.endMs,
            endMs: exchanges.slice(begun + 1).find(({ what }) => what === 'dense gradients')!.beginMs,
          };
    }),
  };
}

/** Sums what a rank sends per step. */
export function allSent({ sent }: Pick<Split, 'sent'>): Sent {
  const all = [...sent.values()];
  const sum = (of: keyof Sent): number => all.reduce((total, each) => total + each[of], 0);
  return { exchanges: sum('exchanges'), bytes: sum('bytes'), messages: sum('messages') };
}
