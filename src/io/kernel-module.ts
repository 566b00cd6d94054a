import { readFileSync } from 'node:fs';

/** Reads a WebAssembly module of the build. `dist` has the same path from the sources and from the built files. */
export function readKernels(name: string): Buffer<ArrayBuffer> {
  return readFileSync(new URL(`../../dist/${name}.wasm`, import.meta.url));
}

/** Compiled modules of this thread. */
const compiled = new Map<string, WebAssembly.Module>();

/** Instantiates the kernels of a module on a memory; returns the functions that `src/kernels` defines. */
export function instantiateKernels(name: string, memory: WebAssembly.Memory): unknown {
  const module = compiled.get(name) ?? new WebAssembly.Module(readKernels(name));
  compiled.set(name, module);
  return new WebAssembly.Instance(module, { env: { memory } }).exports;
}
