import { toBatch } from '../support/batches.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BagColumn, Batch } from '../../src/core/batch.js';
import { planOfEncoder, type EncoderCase, type TableName } from '../support/encoder-plan.js';
import { expectClose } from '../support/expect-close.js';
import { expectLikePyTorch, PYTORCH_ENGINES, type PyTorchCase } from '../support/like-pytorch.js';

// Predictions, losses and gradients of PyTorch; make_cases.py writes them.

interface Case extends EncoderCase, PyTorchCase {
  /** Weight of each item, if the encoder has them; null for an item that it does not select. */
  readonly attention?: readonly (number | null)[];
}
interface File {
  readonly batch: {
    readonly counts: readonly number[];
    readonly items: Readonly<Record<TableName, readonly number[]>>;
    readonly weights: readonly number[];
    readonly targets: Readonly<Record<string, readonly number[]>>;
    readonly labels: readonly number[];
    readonly ages: readonly number[];
  };
  readonly cases: readonly Case[];
}

const { batch: given, cases } = JSON.parse(readFileSync(join(import.meta.dirname, 'cases.json'), 'utf8')) as File;

function readBatch(): Batch {
  const offsets = Uint32Array.from([0, ...given.counts]);
  for (let b = 0; b < given.counts.length; b++) offsets[b + 1]! += offsets[b]!;
  const weights = Float32Array.from(given.weights);
  return toBatch({
    rows: given.counts.length,
    ids: new Map(Object.entries(given.targets).map(([field, ids]) => [field, Uint32Array.from(ids)])),
    bags: new Map([
      ...Object.entries(given.items).map(([table, ids]): [string, BagColumn] => [
        `clicked ${table}`,
        { type: 'list', offsets, ids: Uint32Array.from(ids), weights },
      ]),
      [
        'clicked ages',
        { type: 'list', offsets, ids: new Uint32Array(weights.length), weights: Float32Array.from(given.ages) },
      ],
    ]),
    labels: new Map([['y', Float32Array.from(given.labels)]]),
  });
}

/** Expects equal weights of the same items; others have none. */
function expectSameWeights(found: Float32Array, expected: readonly (number | null)[]): void {
  expect(Array.from(found, Number.isNaN)).toEqual(expected.map((weight) => weight === null));
  const isWeight = (weight: number | null): weight is number => weight !== null;
  const weights = found.filter((weight) => !Number.isNaN(weight));
  expectClose(weights, expected.filter(isWeight), 'weights of items');
}

describe.each(PYTORCH_ENGINES)('on the %s engine', (_, create) => {
  it.each(cases.map((each) => [JSON.stringify(each.spec), each] as const))(
    'an encoder agrees with PyTorch: %s',
    async (_spec, expected) => {
      const program = await expectLikePyTorch(await create(), planOfEncoder(expected), expected, readBatch());
      // Other engines do not return weights of items.
      if (program.attendSync !== undefined) {
        const attended = program.attendSync(readBatch());
        expectClose(attended.predictions.get('p')!, expected.predictions, 'predictions in evaluation mode');
        expect(attended.attention.length).toBe(expected.attention === undefined ? 0 : 1);
        if (expected.attention !== undefined) expectSameWeights(attended.attention[0]!, expected.attention);
      }
      program.dispose();
    },
  );
});
