import { byStep, defineSchedule } from './schedule.js';

/** The config's learning rate in every step. */
export const constant = defineSchedule({
  name: 'constant',
  summary: 'Constant learning rate',
  options: () => ({}),
  build: () => byStep(() => 1),
});
