import { describe, expect, it } from 'vitest';
import { argumentNames } from '../../../src/engines/webgpu/arguments.js';
import { allKernels } from '../../../src/engines/webgpu/kernels.js';
import { ownShader, rowsShader } from '../../../src/engines/webgpu/shader.js';
import type { KernelName } from '../../../src/engines/compile/call-list.js';
import { gpu } from '../../support/webgpu.js';

describe.skipIf(gpu === undefined)('shaders for WebGPU', () => {
  it.each([...allKernels()])('are valid: %s', async (name, kernel) => {
    const names = argumentNames(name as KernelName);
    const { code } =
      kernel.form === 'own' ? ownShader([{ name, names, kernel, calls: 1 }]) : rowsShader([{ name, names, kernel }]);
    const { messages } = await gpu!.device.createShaderModule({ code }).getCompilationInfo();
    expect(
      messages
        .filter(({ type }) => type === 'error')
        .map(({ message, lineNum }) => `${lineNum}: ${message}\n${code.split('\n')[lineNum - 1]}`),
    ).toEqual([]);
  });
});
