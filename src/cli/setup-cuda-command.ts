import { bindingFolder, makeBinding, type LibrarySource } from '../engines/tfjs/binding.js';
import { probeGpu } from '../engines/tfjs/probe.js';
import { EXIT_CODES, userError } from '../core/errors.js';
import { createOutput } from './output.js';

/** `mtl setup-cuda`: makes the binding, says what was done and what came of it, and gives the exit code. */
export function runSetupCuda({
  source,
  json,
}: {
  readonly source: LibrarySource;
  readonly json: boolean;
}): Promise<number> {
  const { screen, notice, result } = createOutput(json);
  const folder = bindingFolder();
  if (folder === undefined)
    throw userError('usage', {
      where: 'mtl setup-cuda',
      message: 'there is no folder to keep it in: this user has no home',
      fix: 'name one with XDG_CACHE_HOME',
    });
  const isNew = makeBinding(folder, source, notice);
  const { state, version, missing } = probeGpu(folder);
  screen.print(`${isNew ? 'made' : 'already made'} in ${folder}`);
  const hasGpu = state === 'ready';
  const libraries = missing.length === 0 ? '' : ` (it looked for ${missing.join(', ')})`;
  screen.print(
    hasGpu
      ? `TensorFlow ${version} sees a CUDA GPU: mtl train --device cuda`
      : `TensorFlow ${version} loads and sees no CUDA GPU${libraries}: nvidia-smi shows whether the driver sees one`,
  );
  result({ folder, isNew, source, tensorflow: version, hasGpu, missing });
  return Promise.resolve(EXIT_CODES.done);
}
