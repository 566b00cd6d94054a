import { z } from 'zod';
import { columnName } from '../core/conditions.js';
import { durationText } from '../core/duration.js';
import { TIME_FORMATS } from '../features/wall-clock.js';

/** Options of every method. */
export const delayShape = {
  from: columnName.describe('Column with the time of the click, in whose order rows must be'),
  event: columnName.describe('Column with the time of the conversion; missing if there is none'),
  format: z
    .enum(TIME_FORMATS)
    .default('iso')
    .describe('Format of both times: iso (2026-11-30T18:05:00+01:00), or seconds or milliseconds since 1970'),
  window: durationText.describe('Time after the click within which a conversion counts, such as 7d'),
};

/** Option of methods that observe a row for some time before its first sample. */
export const waitOption = durationText
  .default('15m')
  .describe('Time from the click to the first sample; shorter than window');
