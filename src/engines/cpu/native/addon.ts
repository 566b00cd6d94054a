import { createRequire } from 'node:module';

/** Interface of addon.c. Numbers are not checked. */
export interface Addon {
  /** Returns the families of processors, fastest first, and whether this processor belongs to each. */
  families(): readonly (readonly [name: string, isHere: boolean])[];
  /** Returns the address of an array, the same in every thread. */
  addressOf(array: Uint8Array | Float32Array): number;
  /** Requests huge pages for an array, if it is large. */
  useHugePages(array: Uint8Array | Float32Array): void;
  /**
   * Runs the calls between two offsets of the memory at an address, by the index of a family; returns the offset at
   * which it stopped.
   * @throws Error if a kernel fails
   */
  run(family: number, memory: number, from: number, to: number): number;
  /** Runs a kernel, by its index. */
  call(family: number, memory: number, kernel: number, ...args: readonly number[]): void;
}

/** The native kernels in use. Consists of strings, so that it can be sent to workers. */
export interface NativeKernels {
  readonly path: string;
  readonly family: string;
  /** Why products in bfloat16 are emulated; undefined if the processor computes them. */
  readonly noBf16?: string | undefined;
  /** Name of the package that contains them; undefined if they were compiled on this machine. */
  readonly packageName?: string;
}

/** Loads the addon of a built file. */
export function openAddon(path: string): Addon {
  return createRequire(import.meta.url)(path) as Addon; // what addon.c exports
}

/** Returns the index of a family. */
export function familyIndex(addon: Addon, family: string): number {
  return addon.families().findIndex(([name]) => name === family);
}
