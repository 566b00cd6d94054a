import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countLocalRows, SINGLE_PROCESS } from '../../src/core/process-group.js';
import { listParts, type HostTensor } from '../../src/core/tensor.js';
import type { ProgramState } from '../../src/engines/engine.js';
import { applyDeltas, selectChanges, type DeltaTensors } from '../../src/runs/delta.js';

const [ROWS, WIDTH] = [20, 2];
const BEFORE = [{ name: 'step-00000001', sha256: '' }] as const;
type Tensors = ProgramState['weights'];

/** A tensor whose elements are those of a list. */
const matrix = (data: readonly number[], width = WIDTH): HostTensor => ({
  shape: [data.length / width, width],
  data: Float32Array.from(data),
});
/** As a large tensor is read from its file: in blocks of three rows, of memory that the next block overwrites. */
function inBlocks({ shape, data }: HostTensor): HostTensor {
  return {
    shape,
    get data() {
      return data.slice();
    },
    *parts() {
      const memory = new Float32Array(3 * WIDTH);
      for (let begin = 0; begin < data.length; begin += memory.length) {
        const part = data.subarray(begin, begin + memory.length);
        memory.set(part);
        yield memory.subarray(0, part.length);
      }
    },
  };
}
function elementsOf(tensor: HostTensor): readonly number[] {
  const elements: number[] = [];
  // A block is valid until the next one.
  for (const part of listParts(tensor)) elements.push(...part);
  return elements;
}

/** The rows of a rank, as its engine has them. */
const shardOf = ({ data }: HostTensor, rank: number, size: number): HostTensor =>
  matrix(
    Array.from({ length: countLocalRows(ROWS, { rank, size }) }, (_, r) => rank + r * size).flatMap((row) => [
      ...data.subarray(row * WIDTH, (row + 1) * WIDTH),
    ]),
  );

/** The deltas of all ranks after a step that wrote `value` to some rows of a sharded table. */
function deltasOf(table: HostTensor, rows: readonly number[], size: number): readonly DeltaTensors[] {
  return Array.from({ length: size }, (_, rank) => {
    const dealt = size === 1 ? undefined : new Map(['', '.m'].map((slot) => [`embeddings.a${slot}`, ROWS]));
    const shard = size === 1 ? table : shardOf(table, rank, size);
    const { program, rows: ofTables } = selectChanges(
      {
        step: 2,
        weights: new Map([['embeddings.a', shard]]),
        optimizer: new Map([['embeddings.a.m', shard]]),
        ...(dealt !== undefined && { dealt }),
      },
      new Map([['a', Uint32Array.from(rows)]]),
      BEFORE,
      { ...SINGLE_PROCESS, rank, size },
    );
    return { path: 'delta', rows: ofTables, tensors: program.weights, isPart: rank > 0 };
  });
}

describe('deltas', () => {
  it('restore a table, of any number of ranks, in place or block by block', () => {
    const steps = fc.array(fc.uniqueArray(fc.nat(ROWS - 1)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 3 }), (changes, size) => {
        const live = matrix(Array.from({ length: ROWS * WIDTH }, (_, i) => i));
        const base = matrix([...live.data]);
        const deltas: DeltaTensors[] = [];
        for (const [s, rows] of changes.entries()) {
          const sorted = [...rows].sort((a, b) => a - b);
          for (const row of rows) live.data.fill(1000 * (s + 1) + row, row * WIDTH, (row + 1) * WIDTH);
          deltas.push(...deltasOf(matrix([...live.data]), sorted, size));
        }
        for (const stored of [inBlocks(base), base]) {
          const restored = applyDeltas(new Map([['embeddings.a', stored]]), 'weights', deltas).get('embeddings.a')!;
          expect(elementsOf(restored)).toEqual([...live.data]);
          expect([...restored.data]).toEqual([...live.data]);
        }
      }),
    );
  });

  it('distinguish tables and slots by name', () => {
    const names = ['embeddings.a', 'embeddings.a.m', 'w.m'];
    const tensors = (value: number): Tensors =>
      new Map(names.map((name) => [name, matrix([value, value, value, value])]));
    const slots = (value: number): Tensors =>
      new Map(names.map((name) => [`${name}.m`, matrix([value, value, value, value])]));
    const { rows, program } = selectChanges(
      { step: 2, weights: tensors(1), optimizer: slots(1) },
      new Map([
        ['a', Uint32Array.of(0)],
        ['a.m', Uint32Array.of(1)],
      ]),
      BEFORE,
      SINGLE_PROCESS,
    );
    const apply = (base: Tensors, kind: 'weights' | 'optimizer', changed: Tensors): Record<string, readonly number[]> =>
      Object.fromEntries(
        Array.from(applyDeltas(base, kind, [{ path: '', rows, tensors: changed, isPart: false }]), ([name, tensor]) => [
          name,
          elementsOf(tensor),
        ]),
      );
    const expected = [
      [1, 1, 0, 0],
      [0, 0, 1, 1],
      [1, 1, 1, 1],
    ];
    expect(Object.values(apply(tensors(0), 'weights', program.weights))).toEqual(expected);
    expect(Object.values(apply(slots(0), 'optimizer', program.optimizer))).toEqual(expected);
  });

  const base: Tensors = new Map([['embeddings.a', matrix([0, 0, 0, 0])]]);
  it.each([
    [[0, 1], [1, 1], /embeddings\.a: expected shape \[2, 2\], found \[1, 2\]/],
    [[2], [1, 1], /expected ascending row numbers below 2/],
    [[1, 1], [1, 1, 1, 1], /expected ascending row numbers below 2/],
  ])('are rejected if their rows do not match: %j', (rows, data, message) => {
    const tensors = new Map([['embeddings.a', matrix(data)]]);
    const delta = { path: 'd', rows: new Map([['embeddings.a', Uint32Array.from(rows)]]), tensors, isPart: false };
    expect(() => applyDeltas(base, 'weights', [delta])).toThrow(message);
  });

  it('are rejected if they lack a tensor', () => {
    const delta = { path: 'd', rows: new Map(), tensors: new Map(), isPart: false };
    expect(() => applyDeltas(base, 'weights', [delta])).toThrow("the tensor 'embeddings.a' is missing");
  });
});
