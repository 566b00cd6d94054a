import { jsonOption } from '../options.js';
import { defineCommand } from './command.js';

export const doctor = defineCommand({
  usage: 'doctor',
  summary: 'look at what this machine has: Node, cores, kernels, GPU, room for runs',
  options: (y) => y.option('json', jsonOption),
  async run({ json }) {
    const { runDoctor } = await import('../doctor-command.js');
    return runDoctor({ json });
  },
});
