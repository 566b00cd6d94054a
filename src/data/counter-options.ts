import { z } from 'zod';
import { issuesBelow, type ValidationIssue } from '../core/component.js';
import { columnName } from '../core/conditions.js';
import { durationText, parseDuration } from '../core/duration.js';
import { timeFormatOption } from '../features/wall-clock.js';
import type { AggregateRule, CountedEvents } from './aggregates/aggregate.js';
import { aggregates } from './aggregates/aggregates.js';

const counterOptions = {
  by: z.union([columnName, z.array(columnName).min(1)]).describe('Key column, or columns whose values form the key'),
  of: columnName.optional().describe('Label or number to sum; missing values do not count; default: counts rows'),
  delay: durationText.optional().describe("Delay until an event is known; default: the section's with of, else 0s"),
};

/** The `counters` section of `data`. */
export const countersOptions = z
  .strictObject({
    time: columnName.describe("Column with the row's time; rows must be in order of it"),
    format: timeFormatOption('Format of the time'),
    delay: durationText.default('0s').describe('Time after which the label of a row is known'),
    tolerance: durationText
      .default('0s')
      .describe('Maximum time by which a row may be late; counters lag its time by it, so that none sees a later row'),
    count: z
      .record(z.string().min(1), aggregates.schemaWith(counterOptions))
      .describe('Counters by name, each a numeric column that features may use'),
  })
  .describe('Counts of earlier events per key, computed in one pass in order of time');
export type CountersOptions = z.output<typeof countersOptions>;

/** A counter with resolved options. */
export interface CounterSpec extends CountedEvents {
  readonly name: string;
  readonly by: readonly string[];
  readonly rule: AggregateRule;
}

/** Resolves the options of all counters. */
export function resolveCounters({ count, delay, tolerance }: CountersOptions): readonly CounterSpec[] {
  const isLenient = parseDuration(tolerance) > 0;
  return Object.entries(count).map(([name, options]) => {
    const { by, of, delay: own = of === undefined ? '0s' : delay } = options;
    const events = { of, delayMs: parseDuration(own), isLenient };
    return { name, by: [by].flat(), ...events, rule: aggregates.build(options, events) };
  });
}

/** Yields the issues of counters; the paths start below the section. */
export function* checkCounters(options: CountersOptions): Generator<ValidationIssue> {
  const specs = resolveCounters(options);
  const inputs = new Set([options.time, ...specs.flatMap(({ by, of }) => [...by, ...(of === undefined ? [] : [of])])]);
  if (specs.length === 0) yield { path: ['count'], message: 'expected at least one counter' };
  for (const { name, rule } of specs) {
    const path = ['count', name];
    if (inputs.has(name)) yield { path, message: 'is also a column that counters read; rename the counter' };
    yield* issuesBelow(path, rule.issues);
  }
}
