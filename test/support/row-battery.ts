import fc from 'fast-check';
import { expect } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { SIGNATURES } from '../../src/engines/compile/kernel-signatures.js';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import type { Kernels } from '../../src/engines/cpu/kernels.js';
import { countSlotElements } from '../../src/optimizers/optimizer.js';
import { optimizers } from '../../src/optimizers/optimizers.js';

/** Pages of the memory that `computeRows` requires. */
export const PAGES = 40;
const TABLE_KERNELS = Object.keys(SIGNATURES).filter(
  (name): name is Extract<keyof typeof SIGNATURES, `${string}Table`> => name.endsWith('Table'),
);

/** Two fields of a table, one with an id and one with a bag, and the number of workers. */
export const rowShapes = fc.record({
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
type Shape = typeof rowShapes extends fc.Arbitrary<infer Value> ? Value : never;

/** Options of a rule by its kernel, with all optional state. */
function ruleOf(kernel: string) {
  const part = optimizers.names
    .map((name) => optimizers.schema.parse({ name }))
    .find((spec) => `${optimizers.partOf(spec).kernel}Table` === kernel)!;
  const withMomentum = optimizers.schema.safeParse({ ...part, momentum: 0.9 });
  return optimizers.build(withMomentum.success ? withMomentum.data : part);
}

/** Looks up both fields, gathers, updates, and gathers again, for every worker in sequence. */
export function computeRows(
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
