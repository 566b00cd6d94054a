import { describe, expect, it } from 'vitest';
import type { Named } from '../../../src/engines/webgpu/kernel.js';
import { allKernels } from '../../../src/engines/webgpu/kernels.js';
import { ownShader, rowsShader } from '../../../src/engines/webgpu/shader.js';
import { gpu } from '../../support/webgpu.js';

function codeOf({ name, names, kernel }: Named): string {
  return kernel.form === 'own'
    ? ownShader([{ name, names, kernel, calls: 1 }]).code
    : rowsShader([{ name, names, kernel }]).code;
}
const needsHalf = ({ kernel }: Named): boolean => kernel.form === 'own' && kernel.isHalf === true;

describe.skipIf(gpu === undefined)('shaders for WebGPU', () => {
  const supported = [...allKernels()].filter(([, kernel]) => gpu?.about.hasHalf === true || !needsHalf(kernel));

  it.each(supported)('are valid: %s', async (_, kernel) => {
    const code = codeOf(kernel);
    const { messages } = await gpu!.device.createShaderModule({ code }).getCompilationInfo();
    expect(
      messages
        .filter(({ type }) => type === 'error')
        .map(({ message, lineNum }) => `${lineNum}: ${message}\n${code.split('\n')[lineNum - 1]}`),
    ).toEqual([]);
  });

  it('cover every kernel of the call lists', () => {
    expect([...allKernels().keys()]).toEqual(
      expect.arrayContaining(['gemm narrow half back', 'gatherRows', 'lookup by lists', 'unmarkRows', 'watchRange']),
    );
  });
});
