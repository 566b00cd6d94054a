import { jsonOption } from '../options.js';
import { defineCommand } from './command.js';

export const setupCuda = defineCommand({
  usage: 'setup-cuda',
  summary: 'Download TensorFlow with CUDA and build the binding for --device cuda',
  options: (y) =>
    y
      .option('tensorflow', {
        type: 'string',
        requiresArg: true,
        default: 'tensorflow[and-cuda]',
        describe: 'pip requirement, as in "tensorflow[and-cuda]==2.21.0"',
      })
      .option('libtensorflow', {
        type: 'string',
        requiresArg: true,
        describe: "Directory with the TensorFlow library and headers, in place of pip's",
      })
      .option('json', jsonOption)
      .example('$0 setup-cuda', 'about 3 GB, cached in ~/.cache/mtl/tensorflow')
      .example('$0 setup-cuda --libtensorflow /opt/libtensorflow', 'use an installed library'),
  async run({ tensorflow, libtensorflow, json }) {
    const { runSetupCuda } = await import('../setup-cuda-command.js');
    return runSetupCuda({
      source: libtensorflow === undefined ? { requirement: tensorflow } : { path: libtensorflow },
      json,
    });
  },
});
