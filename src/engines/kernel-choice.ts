import { quoted, userError } from '../core/errors.js';

/**
 * Which kernels do what several could do: native ones where they can be had, native ones or an error, or WebAssembly's
 * alone.
 */
export const KERNEL_CHOICES = ['auto', 'native', 'wasm'] as const;
export type KernelChoice = (typeof KERNEL_CHOICES)[number];

/** Says it for a whole process and those that it starts, threads too; --kernels sets it. */
export const KERNELS = 'MTL_KERNELS';

/**
 * What MTL_KERNELS says, `auto` without it.
 * @throws UserError (usage) where it says something else
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
