import { columnName } from '../core/conditions.js';
import { durationText } from '../core/duration.js';
import { timeFormatOption } from '../features/wall-clock.js';

/** Options of every method. */
export const delayShape = {
  from: columnName.describe('Column with the time of the click, in whose order rows must be'),
  event: columnName.describe('Column with the time of the conversion; missing if there is none'),
  format: timeFormatOption('Format of both times'),
  window: durationText.describe('Time after the click within which a conversion counts, such as 7d'),
};

/** Option of methods that observe a row for some time before its first sample. */
export const waitOption = durationText
  .default('15m')
  .describe('Time from the click to the first sample; shorter than window');
