import { byStep, defineSchedule } from './schedule.js';

export const constant = defineSchedule({
  name: 'constant',
  summary: 'Constant learning rate',
  options: () => ({}),
  build: () => byStep(() => 1),
});
