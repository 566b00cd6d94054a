import { EXIT_CODES } from '../core/errors.js';
import { openGpu } from '../engines/webgpu/adapter.js';
import { installDawn, resolveDawn } from '../engines/webgpu/dawn-package.js';
import { createOutput } from './output.js';
import { MTL } from '../system/command-name.js';

/** Runs `mtl setup webgpu`: installs the package and reports the GPU. Returns the exit code. */
export async function runSetupWebGpu({ json }: { readonly json: boolean }): Promise<number> {
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
}
