import { z } from 'zod';
import { columnName } from '../core/conditions.js';
import { timeFormatOption } from '../features/wall-clock.js';
import { durationText } from '../core/duration.js';

const share = z.number().min(0).max(1);
const limit = z.number().min(0);

const alarmOptions = z
  .strictObject({
    aucDrop: share
      .default(0.02)
      .describe('Maximum drop of an AUC below the mean of the last 5 windows, if that is more than 3 standard errors'),
    lossRise: limit.default(0.2).describe('Maximum relative rise of a log loss above the mean of the last 5 windows'),
    pcocShift: limit
      .optional()
      .describe(
        'Maximum relative change of a PCOC from the mean of the last 5 windows, if that is more than 3 standard ' +
          'errors; default: no limit',
      ),
    drift: limit
      .optional()
      .describe(
        'Maximum drift of the values of a field from the windows before (population stability index), such as 0.25; ' +
          'default: no limit',
      ),
    maxLag: z.int().min(0).optional().describe('Maximum records (or bytes, for files) left to read; default: no limit'),
  })
  .prefault({})
  .describe('Limits beyond which a window has an alarm');

/** The `follow` section of `data`. */
export const followOptions = z
  .strictObject({
    fitRows: z
      .int()
      .min(1)
      .default(100_000)
      .describe('First records, on which vocabularies and scales are fitted unless initFrom has them'),
    windowRows: z.int().min(1).default(50_000).describe('Records per window of progressive validation'),
    maxRejects: share
      .default(0.01)
      .describe('Maximum number of invalid and late records per window, as a share of windowRows; more are an error'),
    time: columnName.optional().describe('Column with the time of a record; default: no record is late'),
    timeFormat: timeFormatOption('Format of the time'),
    maxLate: durationText
      .optional()
      .describe('Maximum time by which a record may be older than the newest one, such as 1h; default: no limit'),
    alarms: alarmOptions,
  })
  .describe('Training on a stream, by mtl train --follow');
export type FollowOptions = z.output<typeof followOptions>;
