import { createRequire } from 'node:module';
import type { Addon } from './attach.js';

/** Which native kernels are used; of texts alone, so that workers can be told. */
export interface NativeKernels {
  readonly path: string;
  readonly family: string;
  /** Why products of operands in bfloat16 are none of them; undefined where they are. */
  readonly noBf16?: string | undefined;
}

/** The addon of a file that was built. */
export function openAddon(path: string): Addon {
  return createRequire(import.meta.url)(path) as Addon; // what addon.c gives
}

/** The addon with the kernels that are used. */
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
