#!/usr/bin/env node
// Prepares a clone: installs packages, builds, and compiles the native kernels, each if it is missing or stale.
import { prepareClone, print } from './prepare-clone.js';

/**
 * Compiles the native kernels, which give the same results as WebAssembly, faster, unless a package of this platform has
 * them; without a compiler, WebAssembly runs. A command of mtl compiles them in the background instead.
 */
async function buildNative() {
  const { findPrebuilt } = await import('../dist/engines/cpu/native/prebuilt.js');
  if (findPrebuilt()?.path !== undefined) return;
  const { buildAddon } = await import('../dist/engines/cpu/native/build.js');
  const begin = performance.now();
  const onBuild = () => print('compiling native kernels, once per machine, for about a minute …');
  const built = buildAddon({ isInsistent: true, onBuild });
  if ('reason' in built)
    print(`native kernels are not available (${built.reason}); WebAssembly kernels give the same results`);
  else if (built.isNew) print(`compiled native kernels in ${((performance.now() - begin) / 1000).toFixed(1)} s`);
}

await prepareClone();
await buildNative();
