/** @module-tag long */
import { withMaps } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { graphOf, type Workload } from '../../bench/workloads.js';
import type { Batch } from '../../src/core/batch.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { SINGLE_PROCESS } from '../../src/core/process-group.js';
import { randomStream } from '../../src/core/random.js';
import type { InputColumns } from '../../src/tables/layout.js';
import { needsMpi, OPEN_MPI } from '../support/mpi.js';
import { distance, together, trainedAlone, trainedBy, trainingOf, type Training } from '../support/trained-together.js';

const WORK: Workload = {
  name: 'mmoe',
  batchRows: 250,
  width: 6,
  numbers: ['D0', 'D1', 'D2', 'D3'],
  bags: { '210': 2, '110_14': 6, '109_14': 3 },
  model: { name: 'mmoe', experts: { count: 3, hidden: [10], dropout: 0.2 }, tower: { hidden: [9] } },
};

/**
 * Changes some fields to bags of every pooling, with and without maxItems, with a separate table or one shared with ids
 * and interpolated numbers.
 */
function changed(column: InputColumns): InputColumns {
  const { field, offset, width } = column;
  switch (field) {
    case '110_14':
      return { field, offset, width, kind: 'bag', table: field, pooling: 'sqrtn', maxItems: 12 };
    case '109_14':
      return { field, offset, width, kind: 'bag', table: '210', pooling: 'sum', maxItems: 6 };
    case '122':
      return { field, offset, width, kind: 'id', table: '210' };
    case '129':
      return {
        field: 'place',
        offset,
        width,
        kind: 'bag',
        table: '210',
        pooling: 'sum',
        maxItems: 2,
        isBetweenRows: true,
      };
    default:
      return column;
  }
}

function trainingWithBags(): Training {
  const { plan, batches, evaluated, ...training } = trainingOf(WORK, {}, 40);
  const random = randomStream(1, 'places');
  const placed = (batch: Batch): Batch =>
    withMaps(batch, {
      numbers: new Map([
        [
          'place',
          Float32Array.from({ length: batch.rows }, (_, b) =>
            b % 3 === 0 ? random.below(150) : 150 * random.uniform(),
          ),
        ],
      ]),
    });
  const columns = plan.layout.columns.map(changed);
  const tables = plan.layout.tables.filter(({ name }) =>
    columns.some((each) => 'table' in each && each.table === name),
  );
  const layout = { ...plan.layout, columns, tables };
  return {
    ...training,
    plan: { ...plan, layout, graph: graphOf(WORK.model, layout) },
    batches: batches.map(placed),
    evaluated: placed(evaluated),
  };
}

describe('sharded bag tables', { timeout: 120_000 }, () => {
  it.for([2, 3])('train with %i processes like one process, reproducibly', async (processes, context) => {
    needsMpi(context, OPEN_MPI);
    const training = trainingWithBags();
    const once = await trainedBy(OPEN_MPI, processes, training);
    expect([...once[0]!.dealt!.keys()]).toEqual(expect.arrayContaining(['embeddings.210', 'embeddings.110_14']));
    expect(distance(await trainedAlone(training), together(once))).toBeLessThan(1e-5);
    expect(await trainedBy(OPEN_MPI, processes, training)).toEqual(once);
  });

  it('require memory bounded by the lookups of a batch', () => {
    const { plan } = trainingWithBags();
    const rows = 1_000_000;
    const columns = plan.layout.columns.filter(({ field }) => field === '110_14');
    const tables = [{ name: '110_14', rows, width: 6 }];
    const bytes = (limits: { readonly maxItems?: number }): number => {
      const layout = {
        ...plan.layout,
        tables,
        columns: columns.map(
          ({ field, offset, width }) =>
            ({ field, offset, width, kind: 'bag', table: field, pooling: 'sum', ...limits }) as const,
        ),
      };
      return createCpuEngine(1).activationBytes({
        ...plan,
        layout,
        graph: graphOf(WORK.model, layout),
        peers: { ...SINGLE_PROCESS, size: 2 },
      });
    };
    const tableBytes = rows * 6 * 4;
    expect(bytes({})).toBeGreaterThan(2 * tableBytes);
    expect(bytes({ maxItems: 12 })).toBeLessThan(tableBytes / 2);
  });
});

describe('several processes', { timeout: 120_000 }, () => {
  it('predict batches larger than a training step, with more distinct ids', async (context) => {
    needsMpi(context, OPEN_MPI);
    const { plan, evaluated, ...training } = trainingOf({ ...WORK, bags: {} }, {}, 2);
    // Each row has another id of the largest table.
    const { rows } = plan.layout.tables.find(({ name }) => name === '205')!;
    const spread = (batch: Batch): Batch =>
      withMaps(batch, {
        ids: new Map([['205', Uint32Array.from({ length: batch.rows }, (_, b) => b % rows)]]),
      });
    const work = { plan: { ...plan, batchRows: 64 }, evaluated: spread(evaluated), ...training };
    expect(rows).toBeGreaterThan(600);
    expect(distance(await trainedAlone(work), together(await trainedBy(OPEN_MPI, 2, work)))).toBeLessThan(1e-5);
  });
});
