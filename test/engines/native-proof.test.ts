import { describe, expect, it } from 'vitest';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { instantiateAlone } from '../../src/engines/cpu/module.js';
import { openAddon } from '../../src/engines/cpu/native/addon.js';
import { hasSameBits } from '../../src/engines/cpu/native/find.js';
import { ADDON, needsAddon } from '../support/native.js';

// An addon of other bits is not used, so nothing that runs on kernels would fail by it.

describe('the native kernels of this machine', () => {
  it("have the bits of WebAssembly's, for every family of processors that it has", (context) => {
    needsAddon(context);
    const { module, isRelaxed } = loadKernels(true, 'wasm');
    if (!isRelaxed) context.skip('without fused multiply-add, results are not bitwise identical');
    const addon = openAddon(ADDON.path);
    const different = addon
      .families()
      .filter((family) => !hasSameBits(addon, family, (memory) => instantiateAlone(module, memory)));
    expect(different).toEqual([]);
  });
});
