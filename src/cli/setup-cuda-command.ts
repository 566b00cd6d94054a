import { bindingFolder, makeBinding, type LibrarySource } from '../engines/tfjs/binding.js';
import { probeGpu } from '../engines/tfjs/probe.js';
import { EXIT_CODES, userError } from '../core/errors.js';
import { createOutput } from './output.js';
import { MTL } from '../system/command-name.js';

/** Runs `mtl setup cuda`: builds the binding and reports the GPU. Returns the exit code. */
export function runSetupCuda({
  source,
  json,
}: {
  readonly source: LibrarySource;
  readonly json: boolean;
}): Promise<number> {
  const { screen, warn, result } = createOutput(json);
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
  return Promise.resolve(EXIT_CODES.done);
}
