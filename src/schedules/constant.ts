import { byStep, defineSchedule } from './schedule.js';

/** The config's learning rate in every step. */
export const constant = defineSchedule({
  name: 'constant',
  summary: 'The same learning rate in every step',
  options: () => ({}),
  build: () => byStep(() => 1),
});
