import { toBatch } from '../support/batches.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'vitest';
import type { BagColumn, Batch } from '../../src/core/batch.js';
import { expectLikePyTorch, PYTORCH_ENGINES, type PyTorchCase } from '../support/like-pytorch.js';
import { planOfNested, type NestedPlan } from '../support/nested-plan.js';

// Predictions, losses and gradients of PyTorch; make_nested_cases.py writes them.

interface Case extends NestedPlan, PyTorchCase {
  readonly spec: { readonly name: string };
}
interface File {
  readonly batch: Readonly<
    Record<'counts' | 'items' | 'tagCounts' | 'tags' | 'item' | 'ownCounts' | 'ownTags' | 'labels', readonly number[]>
  >;
  readonly cases: readonly Case[];
}

const { batch: given, cases } = JSON.parse(
  readFileSync(join(import.meta.dirname, 'nested-cases.json'), 'utf8'),
) as File;

function listsOf(
  counts: readonly number[],
  ids: readonly number[],
  weights: readonly number[] = ids.map(() => 1),
): BagColumn {
  const offsets = Uint32Array.from([0, ...counts]);
  for (let i = 0; i < counts.length; i++) offsets[i + 1]! += offsets[i]!;
  return { type: 'list', offsets, ids: Uint32Array.from(ids), weights: Float32Array.from(weights) };
}

function readBatch(): Batch {
  const { counts, items, tagCounts, tags, item, ownCounts, ownTags, labels } = given;
  let end = 0;
  const perRow = counts.map((count) => tagCounts.slice(end, (end += count)).reduce((sum, each) => sum + each, 0));
  return toBatch({
    rows: counts.length,
    ids: new Map([['item', Uint32Array.from(item)]]),
    bags: new Map([
      ['tags', listsOf(ownCounts, ownTags)],
      ['clicked item', listsOf(counts, items)],
      ['clicked tags', listsOf(perRow, tags)],
      [
        'clicked tags.counts',
        listsOf(
          counts,
          items.map(() => 0),
          tagCounts,
        ),
      ],
    ]),
    labels: new Map([['y', Float32Array.from(labels)]]),
  });
}

describe.each(PYTORCH_ENGINES)('on the %s engine', (_, create) => {
  it.each(cases.map((each) => [`${each.pooling}, ${each.spec.name}`, each] as const))(
    'items with several values agree with EmbeddingBag and attention of PyTorch: %s',
    async (_name, expected) => {
      const program = await expectLikePyTorch(await create(), planOfNested(expected), expected, readBatch());
      program.dispose();
    },
  );
});
