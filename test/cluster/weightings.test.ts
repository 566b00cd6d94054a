/** @module-tag long */
import { describe, expect, it } from 'vitest';
import type { Workload } from '../../bench/workloads.js';
import { combinesTerms } from '../../src/training/train-step.js';
import { weightings } from '../../src/weightings/weightings.js';
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

/** Terms share dense weights, sharded and replicated tables, and bag tables. */
const WORK: Workload = {
  name: 'mmoe',
  batchRows: 250,
  width: 6,
  numbers: ['D0', 'D1', 'D2', 'D3'],
  bags: { '210': 2, '853': 3 },
  model: { name: 'mmoe', experts: { count: 3, hidden: [10], dropout: 0.2 }, tower: { hidden: [9] } },
};

const combining = weightings.names.filter((name) => combinesTerms(weightings.schema.parse({ name })));

function trainingWith(name: string, steps: number): Training {
  return { ...trainingOf(WORK, { combinesTerms: true }, steps), options: optionsOf({ lossWeighting: { name } }) };
}

describe('loss weightings that combine gradients', { timeout: 240_000 }, () => {
  it.for(combining)('equal one process with two: %s', async (name, context) => {
    needsMpi(context, OPEN_MPI);
    const training = trainingWith(name, 10);
    const [alone, both] = [await trainedAlone(training), together(await trainedBy(OPEN_MPI, 2, training))];
    expect(distance(alone, both)).toBeLessThan(1e-5);
    // The weighting affects training.
    expect(distance(alone, await trainedAlone({ ...training, options: optionsOf({}) }))).toBeGreaterThan(1e-4);
  });

  it.for([2, 3])('equal one process with %i processes after many steps, reproducibly', async (processes, context) => {
    needsMpi(context, OPEN_MPI);
    const training = trainingWith('pcgrad', 40);
    const once = await trainedBy(OPEN_MPI, processes, training);
    expect(distance(await trainedAlone(training), together(once))).toBeLessThan(1e-5);
    expect(await trainedBy(OPEN_MPI, processes, training)).toEqual(once);
  });
});
