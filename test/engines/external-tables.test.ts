/** @module-tag long */
import { mapsOf, withMaps } from '../support/batches.js';
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import type { Plan, Program, ProgramState } from '../../src/engines/engine.js';
import type { KernelChoice } from '../../src/engines/kernel-choice.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { optimizers } from '../../src/optimizers/optimizers.js';
import { listParts } from '../../src/core/tensor.js';
import { ADDON } from '../support/native.js';

const CHOICES: readonly KernelChoice[] = ADDON.families.length > 0 ? ['wasm', 'native'] : ['wasm'];
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
/** Compiles a plan with tables in shared memory, or all of them in their own memory. */
const programOf = (plan: Plan, isExternal: boolean, choice: KernelChoice, threads: number): Program =>
  createCpuEngine(threads, true, { isPatient: true, ...(isExternal && { tableBytes: 0 }) }, choice).compile(plan);
const copyOf = ({ step, weights, optimizer }: ProgramState): object => ({
  step,
  tensors: [...weights, ...optimizer].map(([name, { shape, data }]) => ({ name, shape, data: data.slice() })),
});

describe('tables in separate memory', () => {
  for (const name of optimizers.names) {
    for (const choice of CHOICES) {
      it(
        `are bitwise identical to tables in shared memory, lazy or not, with EMA or not: ${name}, ${choice} kernels`,
        { timeout: 120_000 },
        async () => {
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
              for (const isExternal of [false, true]) {
                const program = programOf(plan, isExternal, choice, threads);
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
  }

  it.each(CHOICES)(
    'restore the state of a program with tables in shared memory and return it, in parts and whole: %s',
    { timeout: 120_000 },
    async (choice) => {
      const work = workload('adam', 5, {});
      const plan: Plan = { ...planOf(work), step: { average: { decay: 0.9 } } };
      const batches = batchesOf(work, 4);
      // Digests of tensors with several parts.
      const digestsOf = ({ weights, optimizer }: ProgramState): object =>
        Object.fromEntries([...weights, ...optimizer].map(([name, { data }]) => [name, digest(data)]));
      const one = programOf(plan, false, choice, 1);
      for (const batch of batches) await one.trainStep(batch);
      const other = programOf({ ...plan, isRestored: true }, true, choice, 1);
      other.restore(one.state());
      expect(digestsOf(other.state())).toEqual(digestsOf(one.state()));
      for (const tensor of other.state().optimizer.values())
        expect(digest(...Array.from(listParts(tensor), (part) => part.slice()))).toBe(digest(tensor.data));
      for (const program of [one, other]) for (const batch of batches) await program.trainStep(batch);
      expect(digestsOf(other.state())).toEqual(digestsOf(one.state()));
      for (const program of [one, other]) program.dispose();
    },
  );

  it.each(CHOICES)('hold more than 4 GiB: %s', { timeout: 120_000 }, async (choice) => {
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
      const program = programOf(planWith(isFar), false, choice, 1);
      const moved = batches.map((batch) =>
        withMaps(batch, {
          ids: new Map(
            [...mapsOf(batch).ids].map(([field, ids]) => [
              field,
              isFar && field === far ? ids.map((id) => id + shift) : ids,
            ]),
          ),
        }),
      );
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
