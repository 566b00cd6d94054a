import { z } from 'zod';
import type { ValidationIssue } from '../../core/component.js';
import { durationText, parseDuration } from '../../core/duration.js';
import { defineAggregate } from './aggregate.js';
import { WindowCounter, type WindowOptions } from './window-counter.js';

/** Resolution of a window that sets none, as a share of the window. */
const DEFAULT_RESOLUTION = 1 / 64;

/** Counts or sums the events of a window before the row, or divides their sum by their number. */
export const window = defineAggregate({
  name: 'window',
  summary: 'the count, sum or rate of the events in a window before the row',
  options: () => ({
    within: durationText.describe('Length of the window before the row, such as 7d'),
    resolution: durationText
      .optional()
      .describe('Precision of the start of the window; smaller needs more memory; default: within / 64'),
    rate: z
      .strictObject({ prior: z.number().min(0).describe('Rows with the overall mean that are added to each key') })
      .optional()
      .describe('Divides the sum by the rows with a value, smoothed towards the mean of all keys'),
  }),

  build({ within, resolution, rate }, events) {
    const withinMs = parseDuration(within);
    const slotMs = resolution === undefined ? withinMs * DEFAULT_RESOLUTION : parseDuration(resolution);
    const options: WindowOptions = { ...events, withinMs, slotMs, prior: rate?.prior };
    return {
      // The prior of a rate is not remembered.
      memory: [withinMs, slotMs],
      recipe: [withinMs, slotMs, rate],
      issues: [...checkWindow(options)],
      start: (keys) => new WindowCounter(options, keys),
    };
  },
});

function* checkWindow({ of, delayMs, withinMs, slotMs, prior }: WindowOptions): Generator<ValidationIssue> {
  if (withinMs === 0 || slotMs === 0)
    yield { path: [withinMs === 0 ? 'within' : 'resolution'], message: 'expected more than 0' };
  else if (slotMs > withinMs) yield { path: ['resolution'], message: 'is longer than within; use a shorter one' };
  if (delayMs >= withinMs && withinMs > 0)
    yield {
      path: ['within'],
      message: 'is not longer than the delay, so nothing would count; use a longer window or a shorter delay',
    };
  if (prior !== undefined && of === undefined)
    yield { path: ['rate'], message: 'requires of; set it to the label whose rate is computed' };
}
