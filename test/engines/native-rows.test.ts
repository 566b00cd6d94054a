/** @module-tag long */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SIGNATURES } from '../../src/engines/compile/kernel-signatures.js';
import type { Kernels } from '../../src/engines/cpu/kernels.js';
import { optimizers } from '../../src/optimizers/optimizers.js';
import { countSlotElements } from '../../src/optimizers/optimizer.js';
import { randomStream } from '../../src/core/random.js';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import { expectRefusals, expectSameBytes, memoryOf, nativeOn } from '../support/native-battery.js';
import { ADDON } from '../support/native.js';

const PAGES = 40;
const TABLE_KERNELS = Object.keys(SIGNATURES).filter(
  (name): name is Extract<keyof typeof SIGNATURES, `${string}Table`> => name.endsWith('Table'),
);

/** Two fields of a table, one with an id and one with a bag, and the number of workers. */
const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 300 }),
  tableRows: fc.integer({ min: 1, max: 400 }),
  width: fc.integer({ min: 1, max: 40 }),
  gap: fc.integer({ min: 0, max: 9 }),
  /** Additional floats per row, beyond those of any rule. */
  spare: fc.integer({ min: 0, max: 3 }),
  items: fc.integer({ min: 0, max: 6 }),
  areas: fc.integer({ min: 1, max: 3 }),
  threads: fc.integer({ min: 1, max: 5 }),
  isLazy: fc.boolean(),
  penalty: fc.constantFrom(0, 0.01),
  limit: fc.constantFrom(Infinity, 0.2),
  kernel: fc.constantFrom(...TABLE_KERNELS),
  seed: fc.nat(1000),
});
type Shape = typeof shapes extends fc.Arbitrary<infer Value> ? Value : never;

/** Options of a rule by its kernel, with all optional state. */
function ruleOf(kernel: string) {
  const part = optimizers.names
    .map((name) => optimizers.schema.parse({ name }))
    .find((spec) => `${optimizers.partOf(spec).kernel}Table` === kernel)!;
  const withMomentum = optimizers.schema.safeParse({ ...part, momentum: 0.9 });
  return optimizers.build(withMomentum.success ? withMomentum.data : part);
}

/** Looks up both fields, gathers, updates, and gathers again, for every worker in sequence. */
function compute(
  kernels: Kernels,
  { buffer }: WebAssembly.Memory,
  { rows, tableRows, width, gap, spare, items, areas, threads, isLazy, penalty, limit, kernel, seed }: Shape,
): void {
  const optimizer = ruleOf(kernel);
  const stride = width + countSlotElements(optimizer, width) + spare;
  const random = randomStream(seed, 'rows');
  let end = BEGIN;
  const place = (words: number): number => (end += words * 4) - words * 4;
  const bagItems = rows * items;
  const keys = Math.min(tableRows, rows + bagItems);
  const [ids, offsets, bag, itemIds, factors] = [
    place(rows),
    place(rows + 1),
    place(2),
    place(bagItems),
    place(bagItems),
  ];
  const [ldd, table] = [2 * width + gap, place(tableRows * stride)];
  const [y, d, hash, distinct] = [place(rows * ldd), place(rows * ldd), place(4 * keys), place(keys)];
  const areaBytes = keys * width * 4;
  const [gradients, claim, countAt, fresh, refused, constants] = [
    place(areas * keys * width),
    place(1),
    place(3),
    place(2),
    place(1),
    place(12),
  ];
  expect(end).toBeLessThanOrEqual(PAGES * 65_536);
  const [words, floats] = [new Uint32Array(buffer), new Float32Array(buffer)];
  floats.fill(NaN, BEGIN / 4);
  for (let i = table / 4; i < (y + rows * ldd * 8) / 4; i++) floats[i] = random.uniform();
  for (let b = 0; b < rows; b++) words[ids / 4 + b] = random.below(tableRows);
  words[offsets / 4] = 0;
  for (let b = 1; b <= rows; b++)
    words[offsets / 4 + b] = Math.min(bagItems, words[offsets / 4 + b - 1]! + random.below(2 * items + 1));
  for (let i = 0; i < bagItems; i++)
    [words[itemIds / 4 + i], floats[factors / 4 + i]] = [random.below(tableRows), random.uniform() - 0.5];
  words.set([itemIds, factors], bag / 4);
  words.set([0, 0, keys], countAt / 4);
  words.set([1, 0], fresh / 4);
  words.set([0], claim / 4);
  words.set([0], refused / 4);
  floats.fill(0, constants / 4, constants / 4 + 12);
  floats.set([0.5, penalty, 0.01, limit, ...optimizer.constants(3, 0.01)], constants / 4);

  const byAll = (work: () => void): void => {
    for (let self = 0; self < threads; self++) {
      kernels.join(self, threads, 0);
      work();
    }
  };
  const gather = (area: number): void => {
    words[claim / 4] = 0;
    const freshAt = area === 0 ? fresh : fresh + 4;
    byAll(() => {
      kernels.gatherGradients(
        claim,
        ids,
        d,
        ldd,
        width,
        hash,
        distinct,
        gradients + area * areaBytes,
        area === 0 ? areas : 1,
        areaBytes,
        countAt,
        rows,
        1,
        freshAt,
        0,
      );
      kernels.gatherBagGradients(
        claim,
        bag,
        offsets,
        d + width * 4,
        ldd,
        width,
        hash,
        distinct,
        gradients + area * areaBytes,
        area === 0 ? areas : 1,
        areaBytes,
        countAt,
        rows,
        0,
        freshAt,
      );
    });
  };
  byAll(() => {
    kernels.lookup(ids, table, tableRows, stride, width, y, ldd, rows);
    kernels.lookupBags(bag, offsets, table, tableRows, stride, width, y + width * 4, ldd, rows);
  });
  for (let area = 0; area < areas; area++) gather(area);
  byAll(() =>
    kernels[kernel](
      table,
      stride,
      width,
      hash,
      distinct,
      gradients,
      countAt,
      constants,
      refused,
      isLazy ? 0 : tableRows,
    ),
  );
  // As a second pass of a step does.
  words[fresh / 4] = 0;
  gather(0);
  words[refused / 4] = 1;
  byAll(() => kernels[kernel](table, stride, width, hash, distinct, gradients, countAt, constants, refused, 0));
}

describe.each(ADDON.families)('native row kernels for %s', (family) => {
  it(
    'leave memory bitwise identical to WebAssembly, for every rule, any shape and number of workers',
    { timeout: 120_000 },
    () => {
      expectSameBytes(family, PAGES, shapes, 300, compute);
    },
  );

  it('reject exactly the gradients whose square is not finite, as WebAssembly does', () => {
    expectRefusals(family, PAGES, (kernels, { buffer }, largest) => {
      const [words, floats] = [new Uint32Array(buffer), new Float32Array(buffer)];
      const [ids, d, hash, distinct, gradients, claim, countAt, fresh] = Array.from(
        { length: 8 },
        (_, i) => BEGIN + (i + 1) * 16_384,
      ) as [number, number, number, number, number, number, number, number];
      words.set([0, 0, 100], countAt / 4);
      words[fresh / 4] = 1;
      for (let b = 0; b < 100; b++) words[ids / 4 + b] = b;
      floats[d / 4 + 5 * 99 + 4] = largest;
      kernels.gatherGradients(claim, ids, d, 5, 5, hash, distinct, gradients, 1, 0, countAt, 100, 1, fresh, 0);
      kernels.refuseUnlessFinite(BEGIN);
    });
  });

  it('fail if an id is not below the size of the table, or more rows are distinct than allowed', () => {
    const memory = memoryOf(PAGES);
    const kernels = nativeOn(memory, family);
    kernels.join(0, 1, 0);
    const words = new Uint32Array(memory.buffer);
    const [ids, table, y] = [BEGIN, BEGIN + 65_536, BEGIN + 131_072];
    const look = (): void => kernels.lookup(ids, table, 50, 8, 8, y, 8, 100);
    expect(look).not.toThrow();
    for (const id of [50, 0xffffffff]) {
      words[ids / 4 + 99] = id;
      expect(look).toThrow('a kernel failed');
    }
    const [bag, offsets] = [y + 65_536, y + 66_000];
    words.set([ids, ids], bag / 4);
    for (let b = 0; b <= 100; b++) words[offsets / 4 + b] = b;
    expect(() => kernels.lookupBags(bag, offsets, table, 50, 8, 8, y, 8, 99)).not.toThrow();
    expect(() => kernels.lookupBags(bag, offsets, table, 50, 8, 8, y, 8, 100)).toThrow('a kernel failed');
    for (let b = 0; b < 100; b++) words[ids / 4 + b] = b;
    const [hash, distinct, gradients, countAt, fresh] = [y, y + 4096, y + 8192, y + 70_000, y + 70_064];
    words.set([0, 0, 99], countAt / 4);
    words[fresh / 4] = 1;
    expect(() =>
      kernels.gatherGradients(y + 71_000, ids, table, 8, 8, hash, distinct, gradients, 1, 0, countAt, 100, 1, fresh, 0),
    ).toThrow('a kernel failed');
  });
});
