import { describe, expect, it } from 'vitest';
import { createBuffers, shift, type Ref } from '../../../src/engines/compile/buffers.js';
import type { OwnKernel } from '../../../src/engines/webgpu/kernel.js';
import type { Planned } from '../../../src/engines/webgpu/planned.js';
import { inSharedDispatches } from '../../../src/engines/webgpu/shared-dispatches.js';
import { MAX_CALLS } from '../../../src/engines/webgpu/wgsl/prelude.js';

const buffers = createBuffers();
/** Returns the start of a buffer. */
const at = (number: number): Ref => buffers.take(String(number), 'scratch', 1, 64);

interface Options {
  readonly kernel?: Partial<OwnKernel>;
  readonly tableBuffer?: number;
  /** The sum that the call adds to. */
  readonly sum?: Ref;
}

/** Plans a call of a kernel that reads some buffers. */
function call(name: string, reads: readonly number[], { kernel = {}, tableBuffer, sum }: Options = {}): Planned {
  return {
    of: {
      name,
      names: sum === undefined ? [] : ['g'],
      kernel: { form: 'own', threads: () => 1, body: '', ...(sum !== undefined && { sum: 'g' }), ...kernel },
    },
    operands: sum === undefined ? [] : [sum],
    tableBuffer,
    table: undefined,
    words: new Uint32Array(0),
    isByRows: false,
    reads: new Set(reads.map((number) => at(number).buffer)),
    writes: new Set(),
    isDisjoint: false,
  };
}
const shared = (calls: readonly Planned[]): string[][] =>
  inSharedDispatches(calls).map((groups) => groups.flatMap((group) => group.map(({ of }) => of.name)));

describe('calls of a phase', () => {
  it('share dispatches if they have no memory in common', () => {
    expect(shared([call('a', [1]), call('b', [2]), call('a', [3]), call('c', [4])])).toEqual([['a', 'a', 'b', 'c']]);
  });

  it('keep the order of kernels that share memory, and independent ones move to an earlier dispatch', () => {
    expect(shared([call('mark', [1]), call('update', [1, 2]), call('other', [3]), call('unmark', [1])])).toEqual([
      ['mark', 'other'],
      ['update'],
      ['unmark'],
    ]);
  });

  it('do not wait for each other if their writes are known to be disjoint', () => {
    const kernel = { writes: ['y'] };
    expect(shared([call('a', [1, 2], { kernel }), call('b', [2, 3], { kernel })])).toEqual([['a', 'b']]);
    expect(shared([call('a', [1, 2], { kernel }), call('b', [2, 3])])).toEqual([['a'], ['b']]);
  });

  it('have a dispatch per kernel if it requires much memory, has parts or uses half precision', () => {
    for (const kernel of [{ hasTiles: true as const }, { parts: () => 2 }, { isHalf: true as const }])
      expect(shared([call('a', [1]), call('b', [2], { kernel }), call('c', [3])])).toEqual([['a', 'c'], ['b']]);
  });

  it('have separate dispatches if kernels declare other functions or read other table buffers', () => {
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
    expect(shared([call('a', [1], { tableBuffer: 0 }), call('a', [2], { tableBuffer: 1 }), call('b', [3])])).toEqual([
      ['a', 'b'],
      ['a'],
    ]);
  });

  it('wait if one adds to the sum of another, but not if it is another sum in the same buffer', () => {
    const g = at(1);
    expect(
      shared([
        call('sums', [1], { sum: g }),
        call('sums', [1], { sum: shift(g, 0) }),
        call('sums', [1], { sum: shift(g, 16) }),
        call('sums', [2], { sum: at(2) }),
      ]),
    ).toEqual([['sums', 'sums', 'sums'], ['sums']]);
  });

  it('are at most as many per dispatch as a shader can address', () => {
    expect(
      shared(Array.from({ length: 300 }, (_, i) => call(i < 150 ? 'a' : 'b', [i]))).map(({ length }) => length),
    ).toEqual([150, 150]);
    expect(shared(Array.from({ length: 300 }, (_, i) => call('a', [i]))).map(({ length }) => length)).toEqual([
      MAX_CALLS,
      300 - MAX_CALLS,
    ]);
  });
});
