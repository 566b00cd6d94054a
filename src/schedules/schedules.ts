import { z } from 'zod';
import { registry } from '../core/component.js';
import * as all from './all.js';
import type { Schedule } from './schedule.js';
import { warmupOptions, withWarmup } from './warmup.js';

/** Every schedule by its name in the YAML. */
export const schedules = registry(all, 'name', all.constant.name);

/** A schedule as the config has it, with what all of them may say beyond their own options. */
export const scheduleSchema = schedules.schemaWith({
  warmup: warmupOptions.optional().describe('Linear warmup before the schedule'),
  embeddingScale: z
    .number()
    .min(0)
    .default(1)
    .describe('Extra learning-rate factor of embedding tables; 0 freezes them'),
});
export type ScheduleSpec = z.output<typeof scheduleSchema>;

/** The schedule that a config asks for, with the warm-up before it. */
export function buildSchedule(spec: ScheduleSpec): Schedule {
  const schedule: Schedule = schedules.build(spec);
  return spec.warmup === undefined ? schedule : withWarmup(schedule, spec.warmup);
}
