import { jsonOption } from '../options.js';
import { defineCommand } from './command.js';

export const setupCuda = defineCommand({
  usage: 'setup-cuda',
  summary: 'fetch TensorFlow with CUDA and build what --device cuda reaches it through',
  options: (y) =>
    y
      .option('tensorflow', { type: 'string', requiresArg: true, default: 'tensorflow[and-cuda]', describe: 'what pip is asked for, as in "tensorflow[and-cuda]==2.21.0"' })
      .option('libtensorflow', { type: 'string', requiresArg: true, describe: "a folder that holds TensorFlow's library and headers, in the place of pip's" })
      .option('json', jsonOption)
      .example('$0 setup-cuda', 'some 3 GB, kept in ~/.cache/mtl/tensorflow')
      .example('$0 setup-cuda --libtensorflow /opt/libtensorflow', 'against a library that is there'),
  async run({ tensorflow, libtensorflow, json }) {
    const { runSetupCuda } = await import('../setup-cuda-command.js');
    return runSetupCuda({ source: libtensorflow === undefined ? { requirement: tensorflow } : { path: libtensorflow }, json });
  },
});
