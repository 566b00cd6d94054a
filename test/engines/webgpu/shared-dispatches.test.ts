import { describe, expect, it } from 'vitest';
import type { OwnKernel } from '../../../src/engines/webgpu/kernel.js';
import type { Planned } from '../../../src/engines/webgpu/planned.js';
import { inSharedDispatches } from '../../../src/engines/webgpu/shared-dispatches.js';
import { MAX_CALLS } from '../../../src/engines/webgpu/wgsl/prelude.js';

interface Told {
  readonly kernel?: Partial<OwnKernel>;
  readonly tableBuffer?: number;
  readonly names?: readonly string[];
  readonly values?: readonly number[];
}

/** A call of a kernel that names some pieces of memory. */
function call(
  name: string,
  touches: readonly number[],
  { kernel = {}, tableBuffer = 0, names = [], values = [] }: Told = {},
): Planned {
  return {
    name,
    names,
    values,
    tableBuffer,
    isRows: [],
    table: undefined,
    touches: new Set(touches),
    words: new Uint32Array(0),
    kernel: { form: 'own', threads: () => 1, body: '', ...kernel },
    isByRows: false,
    reads: new Set(),
    writes: new Set(),
    isApart: false,
  };
}
const shared = (calls: readonly Planned[]): string[][] =>
  inSharedDispatches(calls).map((groups) => groups.flatMap((group) => group.map(({ name }) => name)));

describe('calls of a phase', () => {
  it('share dispatches where they have no memory in common', () => {
    expect(shared([call('a', [1]), call('b', [2]), call('a', [3]), call('c', [4])])).toEqual([['a', 'a', 'b', 'c']]);
  });

  it('keep the order of kernels that meet, and those that meet none go into an earlier dispatch', () => {
    expect(shared([call('mark', [1]), call('update', [1, 2]), call('other', [3]), call('unmark', [1])])).toEqual([
      ['mark', 'other'],
      ['update'],
      ['unmark'],
    ]);
  });

  it('do not wait for each other where it is known that what they write lies apart', () => {
    const kernel = { writes: ['y'] };
    expect(shared([call('a', [1, 2], { kernel }), call('b', [2, 3], { kernel })])).toEqual([['a', 'b']]);
    expect(shared([call('a', [1, 2], { kernel }), call('b', [2, 3])])).toEqual([['a'], ['b']]);
  });

  it('have a dispatch for their kernel where it takes much memory, has parts or needs half precision', () => {
    for (const kernel of [{ hasTiles: true as const }, { parts: () => 2 }, { isHalf: true as const }])
      expect(shared([call('a', [1]), call('b', [2], { kernel }), call('c', [3])])).toEqual([['a', 'c'], ['b']]);
  });

  it('are apart where kernels declare other functions, or read other buffers of tables', () => {
    expect(
      shared([
        call('a', [1], { kernel: { declares: 'fn f() {}' } }),
        call('b', [2], { kernel: { declares: 'fn f() { return; }' } }),
      ]),
    ).toEqual([['a'], ['b']]);
    expect(
      shared([
        call('a', [1], { kernel: { declares: 'fn f() {}' } }),
        call('b', [2], { kernel: { declares: 'fn f() {}' } }),
      ]),
    ).toEqual([['a', 'b']]);
    const names = ['table'];
    expect(shared([call('a', [1], { names }), call('a', [2], { names, tableBuffer: 1 }), call('b', [3])])).toEqual([
      ['a', 'b'],
      ['a'],
    ]);
  });

  it('wait where one adds to the sum of another', () => {
    const told = { names: ['g', 'rows'], values: [64, 0] };
    expect(
      shared([call('sums', [1], told), call('sums', [1], told), call('sums', [2], { ...told, values: [128, 0] })]),
    ).toEqual([['sums', 'sums'], ['sums']]);
  });

  it('are no more in a dispatch than a shader sees', () => {
    expect(
      shared(Array.from({ length: 300 }, (_, i) => call(i < 200 ? 'a' : 'b', [i]))).map(({ length }) => length),
    ).toEqual([200, 100]);
    expect(shared(Array.from({ length: 300 }, (_, i) => call('a', [i]))).map(({ length }) => length)).toEqual([
      MAX_CALLS,
      300 - MAX_CALLS,
    ]);
  });
});
