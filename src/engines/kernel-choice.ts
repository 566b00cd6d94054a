import { quoted, userError } from '../core/errors.js';

/** CPU kernels: native if available, native or an error, or WebAssembly. */
export const KERNEL_CHOICES = ['auto', 'native', 'wasm'] as const;
export type KernelChoice = (typeof KERNEL_CHOICES)[number];

/** Environment variable of the choice, for a process and its children and threads; set by --kernels. */
export const KERNELS = 'MTL_KERNELS';

/**
 * Returns the choice of MTL_KERNELS; default: `auto`.
 * @throws UserError (usage) for another value
 */
export function kernelChoice(): KernelChoice {
  const said = process.env[KERNELS] ?? '';
  if (said === '') return 'auto';
  const choice = KERNEL_CHOICES.find((each) => each === said);
  if (choice === undefined)
    throw userError('usage', {
      where: KERNELS,
      message: `expected ${KERNEL_CHOICES.join(', ')}, found ${quoted(said)}`,
    });
  return choice;
}
