import { createRequire } from 'node:module';
import type { Addon } from './attach.js';

/** The native kernels in use. Consists of strings, so that it can be sent to workers. */
export interface NativeKernels {
  readonly path: string;
  readonly family: string;
  /** Why products in bfloat16 are not native; undefined if they are. */
  readonly noBf16?: string | undefined;
}

/** Loads the addon of a built file. */
export function openAddon(path: string): Addon {
  return createRequire(import.meta.url)(path) as Addon; // what addon.c gives
}

/** Loads the addon, restricted to the kernels in use. */
export function addonOf({ path, noBf16 }: NativeKernels): Addon {
  const addon = openAddon(path);
  return noBf16 === undefined
    ? addon
    : {
        ...addon,
        attach: (memory, family) => ({
          ...addon.attach(memory, family),
          gemmBf16: undefined,
          gemmGradientBf16: undefined,
        }),
      };
}
