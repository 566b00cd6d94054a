import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { randomStream } from '../../src/core/random.js';
import { compile } from '../../src/engines/compile/compile.js';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { createMemory, instantiateWasm } from '../../src/engines/cpu/module.js';
import type { Plan } from '../../src/engines/engine.js';
import { differentBytes, type Named } from '../support/different-bytes.js';
import { batchOf as sequencesOf, din, planWith } from '../support/sequences.js';
import { sharedTableBatch as batchOf, sharedTablePlan } from '../support/shared-table.js';

// Gradients of a table that all workers share are bitwise identical to those that one worker sums.

const THREADS = [2, 3, 5, 8];
const ROWS = 150;

const planOn = (width: number, step: Plan['step'], isLazy = true): Plan => sharedTablePlan(width, step, ROWS, isLazy);

/** Returns gradients, losses and weights of some steps on so many threads. */
async function stepsOn(threads: number, plan: Plan, batches: readonly Batch[]): Promise<Named> {
  const program = createCpuEngine(threads, true, { isPatient: true }).compile(plan);
  const made = new Map<string, Float32Array | Float64Array>();
  for (const [i, batch] of batches.entries()) {
    const { losses } = await program.trainStep(batch, { combine: (means, gramian) => [1 + gramian[1]!, means[1]!] });
    for (const [name, { mean }] of losses) made.set(`loss ${name} of step ${i}`, Float64Array.of(mean));
  }
  if (plan.step?.combinesTerms !== true && plan.step?.rows === undefined)
    for (const [name, { data }] of (await program.inspect(batches[0]!)).gradients)
      made.set(`gradient of ${name}`, data.slice());
  for (const [name, { data }] of program.state().weights) made.set(name, data.slice());
  program.dispose();
  return made;
}

async function expectSameSteps(plan: Plan, batches: readonly Batch[]): Promise<void> {
  const alone = await stepsOn(1, plan, batches);
  for (const threads of THREADS) expect(differentBytes(await stepsOn(threads, plan, batches), alone)).toEqual([]);
}

describe('a table that several workers share', () => {
  const batches = [batchOf(ROWS, 1), batchOf(ROWS - 13, 2)];
  const parts = [batchOf(3 * ROWS, 1), batchOf(2 * ROWS + 5, 2)];
  it.each<readonly [string, Plan, readonly Batch[]]>([
    ['several fields', planOn(16, undefined), batches],
    ['rows narrower than a cache line', planOn(5, { clip: { norm: 0.01, separate: false } }), batches],
    ['a gradient for each term', planOn(18, { combinesTerms: true }), batches],
    ['several passes', planOn(4, { rows: 3 * ROWS }), parts],
    ['a gradient for each term over several passes', planOn(7, { rows: 3 * ROWS, combinesTerms: true }), parts],
    ['an optimizer that is not lazy', planOn(8, { rows: 3 * ROWS }, false), parts],
    ['items of a sequence', { ...planWith(din), batchRows: ROWS }, [sequencesOf(ROWS, 1), sequencesOf(ROWS, 2)]],
  ])('has the same bits as with one worker, with %s', { timeout: 60_000, tags: ['long'] }, async (_, plan, of) => {
    await expectSameSteps(plan, of);
  });

  it('is shared from three workers on if all ids are looked up in it, from more if fewer are', () => {
    const sharedFrom = (plan: Plan): unknown => compile(plan).tables.all.map((table) => table.sharedFrom);
    expect(sharedFrom(planWith(din))).toEqual([3]);
    expect(sharedFrom(planOn(4, undefined))).toEqual([4, 12]);
  });
});

/** A kernel's gradients of two passes in `areas` areas, and the distinct rows. */
function gather(width: number, areas: number, passes: readonly { readonly threads: number }[]): Named {
  const [rows, keys, ldd] = [300, 600, width + 3];
  const memory = createMemory(BEGIN + 40 * 65_536);
  const { kernels } = instantiateWasm(loadKernels(true, 'wasm').module, memory);
  const [words, floats] = [new Uint32Array(memory.buffer), new Float32Array(memory.buffer)];
  let end = BEGIN;
  const take = (count: number): number => (end += Math.ceil(count / 16) * 64) - Math.ceil(count / 16) * 64;
  const [ids, d, hash, distinct] = [take(rows), take(rows * ldd), take(4 * keys), take(keys)];
  const [gradients, claim, countAt, fresh, rowNumbers] = [
    take(areas * keys * width),
    take(1),
    take(3),
    take(2),
    take(rows),
  ];
  const areaBytes = 4 * keys * width;
  words.set([0, 0, keys], countAt / 4);
  floats.fill(NaN, gradients / 4, gradients / 4 + areas * keys * width);
  for (const [pass, { threads }] of passes.entries()) {
    const random = randomStream(pass, 'gather');
    for (let b = 0; b < rows; b++) words[ids / 4 + b] = Math.floor(500 * random.uniform() ** 3);
    for (let i = 0; i < rows * ldd; i++) floats[d / 4 + i] = random.normal();
    words.set([pass === 0 ? 1 : 0, 0], fresh / 4);
    const sharedFrom = threads === 1 ? 0 : threads;
    const byAll = (work: () => void): void => {
      for (let self = threads - 1; self >= 0; self--) {
        kernels.join(self, threads, 0);
        work();
      }
    };
    byAll(() => kernels.clearRows(hash, distinct, countAt, fresh, sharedFrom));
    byAll(() => kernels.findRows(ids, rowNumbers, hash, distinct, countAt, rows, sharedFrom));
    words[claim / 4] = 0;
    byAll(() => kernels.numberRows(claim, ids, rowNumbers, hash, distinct, countAt, rows, 1, fresh, sharedFrom));
    for (let area = 0; area < areas; area++) {
      const [at, freshAt] = [gradients + area * areaBytes, fresh + (area > 0 ? 4 : 0)];
      words[claim / 4] = 0;
      byAll(() =>
        kernels.gatherGradients(
          ...[claim, ids, d, ldd, width, hash, distinct, at, area > 0 ? 1 : areas, areaBytes, countAt, rows, 1],
          ...[freshAt, sharedFrom],
        ),
      );
      byAll(() =>
        kernels.addGradients(rowNumbers, d, ldd, width, at, area > 0 ? 0 : areas, areaBytes, rows, sharedFrom),
      );
    }
  }
  const count = words[countAt / 4]!;
  return new Map<string, Float32Array | Float64Array>([
    ['distinct rows', Float64Array.from(words.subarray(distinct / 4, distinct / 4 + count))],
    ...Array.from({ length: areas }, (_, area) => {
      const first = (gradients + area * areaBytes) / 4;
      return [`area ${area}`, floats.slice(first, first + count * width)] as const;
    }),
  ]);
}

describe('the kernels of a shared table', () => {
  it('have the same bits as gatherGradients, for any width, areas and workers, which passes may differ in', () => {
    for (const width of [1, 2, 3, 4, 7, 8, 16, 18, 33])
      for (const areas of [1, 3]) {
        const alone = gather(width, areas, [{ threads: 1 }, { threads: 1 }]);
        for (const [first, second] of [
          [2, 2],
          [3, 1],
          [1, 3],
          [5, 8],
          [64, 64],
        ] as const)
          // prettier-ignore
          expect(differentBytes(gather(width, areas, [{ threads: first }, { threads: second }]), alone)).toEqual([]);
      }
  });
});
