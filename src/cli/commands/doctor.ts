import { LIST_NAMES } from '../../engines/compile/lists.js';
import { jsonOption, setOption } from '../options.js';
import { defineCommand } from './command.js';

export const doctor = defineCommand({
  usage: 'doctor',
  summary: 'Inspect this machine: Node, cores, kernels, GPU, disk space; or print the compiled program of a config',
  options: (y) =>
    y
      .option('program', {
        type: 'string',
        requiresArg: true,
        describe: 'Config file whose compiled training step to print instead',
      })
      .option('set', setOption)
      .option('list', {
        choices: LIST_NAMES,
        default: 'train' as const,
        describe: 'List of calls to print',
      })
      .option('json', jsonOption)
      .example('$0 doctor', '')
      .example('$0 doctor --program configs/esmm.yaml', ''),
  async run({ json, program, set = [], list }) {
    if (program !== undefined) {
      const { runPrintProgram } = await import('../print-program-command.js');
      return runPrintProgram({ path: program, set, list, json });
    }
    const { runDoctor } = await import('../doctor-command.js');
    return runDoctor({ json });
  },
});
