import { z } from 'zod';
import type { ValidationIssue } from '../core/component.js';
import { columnName } from '../core/conditions.js';
import { durationText, parseDuration } from '../core/duration.js';
import { timeFormatOption } from '../features/wall-clock.js';

/** Resolution of a window that sets none, as a share of the window. */
const DEFAULT_RESOLUTION = 1 / 64;

const counterOptions = z.strictObject({
  by: z.union([columnName, z.array(columnName).min(1)]).describe('Key column, or columns whose values form the key'),
  of: columnName.optional().describe('Label or number to sum; missing values do not count; default: counts rows'),
  within: durationText.describe('Length of the window before the row, such as 7d'),
  delay: durationText.optional().describe("Delay until an event is known; default: the section's with of, else 0s"),
  resolution: durationText
    .optional()
    .describe('Precision of the start of the window; smaller needs more memory; default: within / 64'),
  rate: z
    .strictObject({ prior: z.number().min(0).describe('Rows with the overall mean that are added to each key') })
    .optional()
    .describe('Divides the sum by the rows with a value, smoothed towards the mean of all keys'),
});

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
      .record(z.string().min(1), counterOptions)
      .describe('Counters by name, each a numeric column that features may use'),
  })
  .describe('Counts of earlier events per key, computed in one pass in order of time');
export type CountersOptions = z.output<typeof countersOptions>;

/** A counter with resolved options. Durations in milliseconds. */
export interface CounterSpec {
  readonly name: string;
  readonly by: readonly string[];
  readonly of: string | undefined;
  readonly withinMs: number;
  readonly delayMs: number;
  /** Events of the same key within a slot are stored together. */
  readonly slotMs: number;
  /** Prior of a smoothed rate; undefined for a count or a sum. */
  readonly prior: number | undefined;
}

/** Resolves the options of all counters. */
export function resolveCounters({ count, delay }: CountersOptions): readonly CounterSpec[] {
  return Object.entries(count).map(([name, { by, of, within, delay: own, resolution, rate }]) => {
    const withinMs = parseDuration(within);
    return {
      name,
      by: [by].flat(),
      of,
      withinMs,
      delayMs: parseDuration(own ?? (of === undefined ? '0s' : delay)),
      slotMs: resolution === undefined ? withinMs * DEFAULT_RESOLUTION : parseDuration(resolution),
      prior: rate?.prior,
    };
  });
}

/** Yields the issues of counters; the paths start below the section. */
export function* checkCounters(options: CountersOptions): Generator<ValidationIssue> {
  const specs = resolveCounters(options);
  const inputs = new Set([options.time, ...specs.flatMap(({ by, of }) => [...by, ...(of === undefined ? [] : [of])])]);
  if (specs.length === 0) yield { path: ['count'], message: 'expected at least one counter' };
  for (const { name, of, withinMs, delayMs, slotMs, prior } of specs) {
    const path = ['count', name];
    if (inputs.has(name)) yield { path, message: 'is also a column that counters read; rename the counter' };
    if (withinMs === 0 || slotMs === 0)
      yield { path: [...path, withinMs === 0 ? 'within' : 'resolution'], message: 'expected more than 0' };
    else if (slotMs > withinMs)
      yield { path: [...path, 'resolution'], message: 'is longer than within; use a shorter one' };
    if (delayMs >= withinMs && withinMs > 0)
      yield {
        path: [...path, 'within'],
        message: 'is not longer than the delay, so nothing would count; use a longer window or a shorter delay',
      };
    if (prior !== undefined && of === undefined)
      yield { path: [...path, 'rate'], message: 'requires of; set it to the label whose rate is computed' };
  }
}
