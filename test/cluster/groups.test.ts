/** @module-tag long */
import { describe, expect, it } from 'vitest';
import type { Workload } from '../../bench/workloads.js';
import type { StepPlan } from '../../src/engines/engine.js';
import { losses } from '../../src/losses/losses.js';
import { MPICH, needsMpi, OPEN_MPI } from '../support/mpi.js';
import { distance, optionsOf, together, trainedAlone, trainedBy, trainingOf, type Left, type Training } from '../support/trained-together.js';
import { BY, planWith, withGroups } from '../support/within-groups.js';

/** Groups have rows of several processes, and of a batch of three rows some processes have none. */
const WORK: Workload = { name: 'mmoe', batchRows: 250, width: 6, numbers: ['D0', 'D1'], model: { name: 'mmoe', experts: { count: 3, hidden: [10], dropout: 0.2 }, tower: { hidden: [9], activation: 'tanh' } } };
const within = losses.parts.flatMap(({ name, options }) => ('by' in options ? [name] : []));

function trainingWith(loss: object, steps: number, step: StepPlan = {}, smallest = 117): Training {
  const { plan, batches, evaluated, ...training } = trainingOf(WORK, step, steps, smallest);
  return { ...training, plan: planWith(plan, WORK, loss), batches: batches.map(withGroups), evaluated: withGroups(evaluated, 99) };
}

const unpredicted = (left: Left): Left => ({ ...left, predictions: new Map() });
const unmeasured = (left: Left): Left => ({ ...left, found: [], losses: new Map(), before: new Map() });

describe('losses within groups whose rows several processes have', { timeout: 300_000 }, () => {
  it.for(within.flatMap((name) => [OPEN_MPI, MPICH].map((mpi) => [name, mpi] as const)))('%s comes to the weights of one, to 1e-5 after 200 steps, and to the same bits each time', async ([name, mpi], context) => {
    needsMpi(context, mpi);
    const training = trainingWith({ name, by: BY }, 200);
    const alone = await trainedAlone(training);
    for (const processes of [2, 4]) {
      const once = await trainedBy(mpi, processes, training);
      const all = together(once);
      expect(distance(unpredicted(alone), unpredicted(all))).toBeLessThan(1e-5);
      // A probability is a sum of many weights' differences.
      expect(distance(alone, all)).toBeLessThan(1e-4);
      expect(await trainedBy(mpi, processes, training)).toEqual(once);
    }
    const single = await trainedAlone(trainingWith({ name: 'cross-entropy' }, 200));
    expect(distance(unmeasured(alone), unmeasured(single))).toBeGreaterThan(1e-3);
  });

  it.for(within)('%s has the same bits for any number of threads', async (name, context) => {
    needsMpi(context, OPEN_MPI);
    const training = trainingWith({ name, by: BY }, 12);
    expect(await trainedBy(OPEN_MPI, 2, training, 3)).toEqual(await trainedBy(OPEN_MPI, 2, training, 1));
  });

  it.for(within)('%s is that of one where processes have no rows, and in a pass back for each term', async (name, context) => {
    needsMpi(context, OPEN_MPI);
    const combined = { ...trainingWith({ name, by: BY }, 12, { combinesTerms: true, isDiagnosed: true }, 3), options: optionsOf({ weighting: { name: 'pcgrad' }, diagnostics: { everySteps: 5 } }) };
    expect(distance(await trainedAlone(combined), together(await trainedBy(OPEN_MPI, 4, combined)))).toBeLessThan(1e-5);
  });

  it('is that of one where passes accumulate that each have groups of their own', async (context) => {
    needsMpi(context, OPEN_MPI);
    // Whose rows count is known there before they pass.
    const { plan, ...training } = trainingWith({ name: 'jrc', by: BY }, 12, { rows: 250 });
    const accumulating = { ...training, plan: { ...plan, batchRows: 64 } };
    expect(distance(await trainedAlone(accumulating), together(await trainedBy(OPEN_MPI, 3, accumulating)))).toBeLessThan(1e-5);
  });
});
