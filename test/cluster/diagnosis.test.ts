/** @module-tag long */
import { describe, expect, it } from 'vitest';
import type { Workload } from '../../bench/workloads.js';
import type { Diagnosis } from '../../src/engines/diagnosis.js';
import { needsMpi, OPEN_MPI } from '../support/mpi.js';
import {
  distance,
  optionsOf,
  together,
  trainedAlone,
  trainedBy,
  trainingOf,
  type Training,
} from '../support/trained-together.js';

const WORK: Workload = {
  name: 'mmoe',
  batchRows: 250,
  width: 6,
  numbers: ['D0', 'D1', 'D2', 'D3'],
  bags: { '210': 2 },
  model: { name: 'mmoe', experts: { count: 3, hidden: [10], dropout: 0.2 }, tower: { hidden: [9] } },
};

/** Every fifth of 40 steps is diagnosed. */
const training = (): Training => ({
  ...trainingOf(WORK, { isDiagnosed: true }, 40),
  options: optionsOf({ diagnostics: { everySteps: 5 } }),
});

/** Lists all values of a diagnosis by name, each with the scale of its comparison. */
function numbersOf({ gramian, layers, gates }: Diagnosis): ReadonlyMap<string, readonly [number, number]> {
  const most = Math.max(...gramian.map(Math.abs));
  return new Map([
    ...[...gramian].map((product, i) => [`gramian ${i}`, [product, most]] as const),
    ...[...layers].flatMap(
      ([layer, { gradient, update }]) =>
        [
          [`${layer} gradient`, [gradient, gradient]],
          [`${layer} update`, [update, update]],
        ] as const,
    ),
    ...[...gates].flatMap(([gate, { means, entropy }]) =>
      [...means, entropy].map((number, i) => [`${gate} ${i}`, [number, 1]] as const),
    ),
  ]);
}

describe('diagnostics on several processes', { timeout: 120_000 }, () => {
  it.for([2, 3])(
    'of %i equal those of one, do not affect training, and are reproducible',
    async (processes, context) => {
      needsMpi(context, OPEN_MPI);
      const once = await trainedBy(OPEN_MPI, processes, training());
      const [alone, all] = [await trainedAlone(training()), together(once)];
      expect(distance(alone, all)).toBeLessThan(1e-5);
      expect(all.found.filter(({ diagnosis }) => diagnosis !== undefined)).toHaveLength(8);
      for (const [s, { diagnosis }] of alone.found.entries()) {
        if (diagnosis === undefined) continue;
        const found = numbersOf(all.found[s]!.diagnosis!);
        for (const [name, [number, size]] of numbersOf(diagnosis))
          expect(Math.abs(found.get(name)![0] - number), name).toBeLessThan(1e-4 * size + 1e-7);
      }
      expect(await trainedBy(OPEN_MPI, processes, training())).toEqual(once);
      expect(
        distance(together(await trainedBy(OPEN_MPI, processes, { ...training(), options: optionsOf({}) })), all),
      ).toBe(0);
    },
  );
});
