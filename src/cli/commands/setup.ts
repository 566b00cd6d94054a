import { EXIT_CODES, userError } from '../../core/errors.js';
import { MTL } from '../../system/command-name.js';
import { createOutput } from '../output.js';
import { jsonOption } from '../options.js';
import { defineCommand, defineCommandGroup } from './command.js';

const webgpu = defineCommand({
  usage: 'webgpu',
  summary: 'Install the package webgpu (Dawn) for --device webgpu with npm',
  options: (y) => y.option('json', jsonOption).example('$0 setup webgpu', '132 MB, cached in ~/.cache/mtl/webgpu'),
  async run({ json }) {
    const { openGpu } = await import('../../engines/webgpu/adapter.js');
    const { installDawn, resolveDawn } = await import('../../engines/webgpu/dawn-package.js');
    const { screen, warn, result } = createOutput(json);
    const isNew = installDawn(warn);
    const path = resolveDawn();
    screen.print(`${isNew ? 'installed' : 'already installed'}: ${path}`);
    const found = await openGpu();
    screen.print(
      'reason' in found
        ? `${found.reason}; ${found.fix}`
        : `WebGPU finds ${found.about.name}; use ${MTL} train --device webgpu`,
    );
    result({ path, isNew, adapter: 'reason' in found ? null : found.about.name });
    return EXIT_CODES.done;
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
    const { bindingFolder, makeBinding } = await import('../../engines/tfjs/binding.js');
    const { probeGpu } = await import('../../engines/tfjs/probe.js');
    const { screen, warn, result } = createOutput(json);
    const source = libtensorflow === undefined ? { requirement: tensorflow } : { path: libtensorflow };
    const folder = bindingFolder();
    if (folder === undefined)
      throw userError('usage', {
        where: 'mtl setup cuda',
        message: 'no cache directory, because this user has no home directory',
        fix: 'set XDG_CACHE_HOME to a directory',
      });
    const isNew = makeBinding(folder, source, warn);
    const { state, version, missing } = probeGpu(folder);
    screen.print(`${isNew ? 'built' : 'already built'} in ${folder}`);
    const hasGpu = state === 'ready';
    const libraries = missing.length === 0 ? '' : ` (missing libraries: ${missing.join(', ')})`;
    screen.print(
      hasGpu
        ? `TensorFlow ${version} finds a CUDA GPU; use ${MTL} train --device cuda`
        : `TensorFlow ${version} loads but finds no CUDA GPU${libraries}; check the driver with nvidia-smi`,
    );
    result({ folder, isNew, source, tensorflow: version, hasGpu, missing });
    return EXIT_CODES.done;
  },
});

export const setup = defineCommandGroup('setup', 'Install packages for GPUs, which mtl does not depend on', [
  webgpu,
  cuda,
]);
