import { jsonOption } from '../options.js';
import { defineCommand, defineCommandGroup } from './command.js';

const webgpu = defineCommand({
  usage: 'webgpu',
  summary: 'Install the package webgpu (Dawn) for --device webgpu with npm',
  options: (y) => y.option('json', jsonOption).example('$0 setup webgpu', '132 MB, cached in ~/.cache/mtl/webgpu'),
  async run({ json }) {
    const { runSetupWebGpu } = await import('../setup-webgpu-command.js');
    return runSetupWebGpu({ json });
  },
});

const cuda = defineCommand({
  usage: 'cuda',
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
      .example('$0 setup cuda', 'about 3 GB, cached in ~/.cache/mtl/tensorflow')
      .example('$0 setup cuda --libtensorflow /opt/libtensorflow', 'use an installed library'),
  async run({ tensorflow, libtensorflow, json }) {
    const { runSetupCuda } = await import('../setup-cuda-command.js');
    return runSetupCuda({
      source: libtensorflow === undefined ? { requirement: tensorflow } : { path: libtensorflow },
      json,
    });
  },
});

export const setup = defineCommandGroup('setup', 'Install packages for GPUs, which mtl does not depend on', [
  webgpu,
  cuda,
]);
