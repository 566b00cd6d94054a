import { withMaps } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { Tensor } from 'onnxruntime-node';
import { column, type Batch } from '../../src/core/batch.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { POOLINGS } from '../../src/tables/layout.js';
import { nestedBatch, planOfNested, TABLES } from '../support/nested-plan.js';
import { restoreLargeTables } from '../support/large-tables.js';
import { expectNear, exportedModel, feedsOf, openOnnx, runOnnx } from '../support/onnx.js';

/** Converts a batch to inputs: values of items have offsets per item. */
function nestedFeeds(batch: Batch): Record<string, Tensor> {
  const counts = column(batch, 'clicked tags.counts', 'list');
  let sum = 0n;
  const offsets = [0n, ...Array.from(counts.weights, (count) => (sum += BigInt(count)))];
  return {
    ...feedsOf(batch),
    'clicked tags.offsets': new Tensor('int64', BigInt64Array.from(offsets), [offsets.length]),
  };
}

/** Keeps rows without items. */
function withoutItems(batch: Batch): Batch {
  const empty = { offsets: new Uint32Array(batch.rows + 1), ids: new Uint32Array(0), weights: new Float32Array(0) };
  const none = ['clicked item', 'clicked tags', 'clicked tags.counts'].map((name) => [name, empty] as const);
  return withMaps(batch, { bags: new Map([...none]) });
}

describe('ONNX operators of items with several values', () => {
  it.each(
    POOLINGS.flatMap((pooling) =>
      [true, false].map((isFirst) => ({ pooling, isFirst, spec: { name: 'target-attention' } })),
    ),
  )('equal the engine: $pooling, first field $isFirst', async (options) => {
    const plan = planOfNested(options);
    const program = createCpuEngine().compile(plan);
    restoreLargeTables(program, TABLES);
    const session = await openOnnx(exportedModel(plan, program));
    const { inputNames } = session;
    expect(inputNames.filter((name) => name.startsWith('clicked')).sort()).toEqual([
      'clicked item.ids',
      ...(options.isFirst ? [] : ['clicked item.offsets']),
      ...(options.isFirst ? ['clicked tags.counts.offsets'] : []),
      'clicked tags.ids',
      'clicked tags.offsets',
    ]);
    for (const batch of [nestedBatch(1, 5), nestedBatch(19, 6), withoutItems(nestedBatch(4, 7))])
      expectNear(await runOnnx(session, nestedFeeds(batch)), await program.predict(batch));
    program.dispose();
  });
});
