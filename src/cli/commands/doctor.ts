import { jsonOption } from '../options.js';
import { defineCommand } from './command.js';

export const doctor = defineCommand({
  usage: 'doctor',
  summary: 'Inspect this machine: Node, cores, kernels, GPU, disk space',
  options: (y) => y.option('json', jsonOption).example('$0 doctor', ''),
  async run({ json }) {
    const { runDoctor } = await import('../doctor-command.js');
    return runDoctor({ json });
  },
});
