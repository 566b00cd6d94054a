import { z } from 'zod';
import { registry } from '../core/component.js';
import * as all from './all.js';
import type { Schedule } from './schedule.js';
import { warmupOptions, withWarmup } from './warmup.js';

/** Every schedule by its name in the config. */
export const schedules = registry(all, 'name', all.constant.name);

/** Schema of a schedule, with the options of all schedules. */
export const scheduleSchema = schedules.schemaWith({
  warmup: warmupOptions.optional().describe('Linear warmup before the schedule'),
  embeddingScale: z
    .number()
    .min(0)
    .default(1)
    .describe('Extra learning-rate factor of embedding tables; 0 freezes them'),
});
export type ScheduleSpec = z.output<typeof scheduleSchema>;

/** Builds a schedule with its optional warmup. */
export function buildSchedule(spec: ScheduleSpec): Schedule {
  const schedule: Schedule = schedules.build(spec);
  return spec.warmup === undefined ? schedule : withWarmup(schedule, spec.warmup);
}
