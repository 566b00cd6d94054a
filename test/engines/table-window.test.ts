/** @module-tag long */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import { listParts } from '../../src/core/tensor.js';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Plan, ProgramState } from '../../src/engines/engine.js';
import type { KernelChoice } from '../../src/engines/kernel-choice.js';
import { optimizers } from '../../src/optimizers/optimizers.js';
import { expectSameBytes, memoryOf, wasmOn, windowOn } from '../support/native-battery.js';
import { ADDON, needsAddon } from '../support/native.js';
import { computeRows, PAGES, rowShapes } from '../support/row-battery.js';

const CHOICES: readonly KernelChoice[] = ADDON.families.length > 0 ? ['wasm', 'native'] : ['wasm'];
const SGD = optimizers.build(optimizers.schema.parse({ name: 'sgd' }));
const BAGS = { '853': 3, '109_14': 5 };

const workload = (name: string, width: number, options: object): Workload => ({
  name: 'esmm',
  batchRows: 150,
  width,
  numbers: ['D0'],
  bags: BAGS,
  embeddings: { name, learningRate: 0.01, ...options },
  model: { name: 'esmm', ctrTower: { hidden: [8] }, cvrTower: { hidden: [8] } },
});
const digest = (...parts: readonly Float32Array[]): string => {
  const hash = createHash('sha256');
  for (const { buffer, byteOffset, byteLength } of parts) hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  return hash.digest('hex');
};
const copyOf = ({ step, weights, optimizer }: ProgramState): object => ({
  step,
  tensors: [...weights, ...optimizer].map(([name, { shape, data }]) => ({ name, shape, data: data.slice() })),
});

describe('a window on tables', () => {
  it('leaves the bytes of kernels on rows in their memory, for every rule, any shape and number of workers', () => {
    expectSameBytes(windowOn, PAGES, rowShapes, 200, computeRows);
  });

  it('holds wide rows and large bags', () => {
    const results = [wasmOn, windowOn].map((kernelsOn) => {
      const memory = memoryOf(PAGES);
      const kernels = kernelsOn(memory);
      kernels.join(0, 1, 0);
      const [words, floats] = [new Uint32Array(memory.buffer), new Float32Array(memory.buffer)];
      for (let i = BEGIN / 4; i < words.length; i++) floats[i] = ((i * 7919) % 1013) / 1013;
      const [width, items, rows] = [8, 5000, 3];
      const [bag, offsets, ids, factors] = [BEGIN, BEGIN + 64, BEGIN + 128, BEGIN + 0x10000];
      const [table, y, hash] = [BEGIN + 0x20000, BEGIN + 0x100000, BEGIN + 0x110000];
      words.set([ids, factors], bag / 4);
      words.set([0, items - 3, items - 3, items], offsets / 4);
      for (let i = 0; i < items; i++) words[ids / 4 + i] = (i * 31) % 1000;
      kernels.lookupBags(bag, offsets, table, 1000, width, width, y, width, rows);
      const [distinct, countAt, refused, constants, gradients] = [hash + 256, hash + 512, hash + 576, hash + 640, y];
      words.set([2, 0], distinct / 4);
      words.set([2, 0, 2], countAt / 4);
      words[refused / 4] = 0;
      floats.set([0.5, 0, 0.01, Infinity, ...SGD.constants(1, 0.01)], constants / 4);
      kernels.sgdTable(table, 40_000, 40_000, hash, distinct, gradients, countAt, constants, refused, 0);
      return Buffer.from(memory.buffer, BEGIN);
    });
    expect(results[1]!.equals(results[0]!)).toBe(true);
  });

  it('rejects an id that is not below the size of the table', () => {
    const memory = memoryOf(PAGES);
    const kernels = windowOn(memory);
    kernels.join(0, 1, 0);
    const words = new Uint32Array(memory.buffer);
    const [ids, table, y] = [BEGIN, BEGIN + 65_536, BEGIN + 131_072];
    const look = (): void => kernels.lookup(ids, table, 50, 8, 8, y, 8, 100);
    expect(look).not.toThrow();
    for (const id of [50, 0xffffffff]) {
      words[ids / 4 + 99] = id;
      expect(look).toThrow(`row ${id} of a table with 50`);
    }
  });

  for (const name of optimizers.names) {
    it(
      `trains bitwise as native kernels do, lazy or not, with EMA or not: ${name}`,
      { timeout: 120_000 },
      async (context) => {
        needsAddon(context);
        const options = fc.record({
          width: fc.integer({ min: 1, max: 20 }),
          lazy: fc.boolean(),
          isAveraged: fc.boolean(),
          isDiagnosed: fc.boolean(),
          combinesTerms: fc.boolean(),
          threads: fc.integer({ min: 1, max: 2 }),
        });
        await fc.assert(
          fc.asyncProperty(options, async ({ width, lazy, isAveraged, isDiagnosed, combinesTerms, threads }) => {
            const work = workload(name, width, { lazy });
            // With this decay, half of a double, read as a float, would be a signaling NaN, which a copy makes quiet.
            const plan: Plan = {
              ...planOf(work, 0.001),
              step: { isDiagnosed, combinesTerms, ...(isAveraged && { average: { decay: 0.8592 } }) },
            };
            const batches = batchesOf(work, 3, 0.001);
            const ends = [];
            for (const choice of CHOICES) {
              const program = createCpuEngine(threads, true, { isPatient: true }, choice).compile(plan);
              const diagnoses = [];
              for (let step = 0; step < 6; step++)
                diagnoses.push(
                  (await program.trainStep(batches[step % 3]!, { isDiagnosed: isDiagnosed && step === 4 })).diagnosis,
                );
              const predictions = await program.averaged(() => program.predict(batches[0]!));
              ends.push({ diagnoses, predictions, state: copyOf(program.state()) });
              program.dispose();
            }
            expect(ends[1]).toEqual(ends[0]);
          }),
          { numRuns: 4 },
        );
      },
    );
  }
});

describe('tables', () => {
  it.each(CHOICES)(
    'restore the state of another program and return it, in parts and whole: %s kernels',
    { timeout: 120_000 },
    async (choice) => {
      const work = workload('adam', 5, {});
      const plan: Plan = { ...planOf(work), step: { average: { decay: 0.9 } } };
      const batches = batchesOf(work, 4);
      // Digests of tensors with several parts.
      const digestsOf = ({ weights, optimizer }: ProgramState): object =>
        Object.fromEntries([...weights, ...optimizer].map(([name, { data }]) => [name, digest(data)]));
      const engine = createCpuEngine(1, true, {}, choice);
      const one = engine.compile(plan);
      for (const batch of batches) await one.trainStep(batch);
      const other = engine.compile({ ...plan, isRestored: true });
      other.restore(one.state());
      expect(digestsOf(other.state())).toEqual(digestsOf(one.state()));
      for (const tensor of other.state().optimizer.values())
        expect(digest(...Array.from(listParts(tensor), (part) => part.slice()))).toBe(digest(tensor.data));
      for (const program of [one, other]) for (const batch of batches) await program.trainStep(batch);
      expect(digestsOf(other.state())).toEqual(digestsOf(one.state()));
      for (const program of [one, other]) program.dispose();
    },
  );

  it.each(CHOICES)('hold more than 4 GiB: %s kernels', { timeout: 120_000 }, async (choice) => {
    // Untouched elements occupy no memory.
    const rows = 60_000_000;
    const work = { ...workload('row-wise-adagrad', 16, {}), numbers: [], bags: {}, batchRows: 80 };
    const small = planOf(work, 0.001);
    const far = small.layout.tables.reduce((most, table) => (table.rows > most.rows ? table : most)).name;
    const shift = rows - 500;
    const planWith = (isFar: boolean): Plan => ({
      ...small,
      isRestored: true,
      layout: {
        ...small.layout,
        tables: small.layout.tables.map((table) =>
          table.name === far ? { ...table, rows: isFar ? rows : 500 } : table,
        ),
      },
    });
    const batches = batchesOf(work, 3, 0.001);
    const ends = [];
    for (const isFar of [false, true]) {
      const program = createCpuEngine(1, true, {}, choice).compile(planWith(isFar));
      const moved = batches.map((batch) => ({
        ...batch,
        ids: new Map(
          [...batch.ids].map(([field, ids]) => [field, isFar && field === far ? ids.map((id) => id + shift) : ids]),
        ),
      }));
      for (const batch of moved) await program.trainStep(batch);
      // The last rows, after training.
      let last: number[] = [];
      for (const part of listParts(program.state().weights.get(`embeddings.${far}`)!))
        last = [...last, ...part.subarray(-500 * 16)].slice(-500 * 16);
      expect(last.some((weight) => weight !== 0)).toBe(true);
      ends.push({ last, predictions: await program.predict(moved[0]!) });
      program.dispose();
    }
    expect(ends[1]).toEqual(ends[0]);
  });
});
