import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { randomStream } from '../../src/core/random.js';
import type { Ref } from '../../src/engines/compile/buffers.js';
import type { Call } from '../../src/engines/compile/call-list.js';
import { compile } from '../../src/engines/compile/compile.js';
import { argumentNames, type KernelName } from '../../src/engines/compile/kernel-arguments.js';
import { lowerRanking } from '../../src/engines/compile/ranking.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Plan, Program } from '../../src/engines/engine.js';
import { shared } from '../../src/graph/domain.js';
import type { InputLayout } from '../../src/tables/layout.js';
import { LOSS_CASES } from '../support/every-operation.js';
import { planOf } from '../support/graph-plan.js';
import { expectRanked, subsetsOf } from '../support/ranked.js';
import {
  ALIGNED_LAYOUT,
  batchOf,
  dinOfPaper,
  dinWith,
  INTERESTS,
  LAYOUT,
  planWith,
  withAligned,
  type Interest,
} from '../support/sequences.js';

/** Compiles a plan, with embeddings and running statistics that are not small. */
function compileRanked(plan: Plan, threads = 1): Program {
  const program = createCpuEngine(threads).compile({ ...plan, isRanked: true });
  const random = randomStream(3, 'weights');
  const weights = new Map(
    [...program.state().weights].map(([name, { shape, data }]) => [
      name,
      { shape, data: data.map((value) => (name.endsWith('Variance') ? 0.5 : value) + random.normal() / 4) },
    ]),
  );
  for (const [name, { data }] of weights) if (name.endsWith('Variance')) data.fill(0.7);
  program.restore({ step: 0, weights, optimizer: new Map() });
  return program;
}

/** A field of each kind: bags with all poolings, ids, numbers and vectors, in an order that interleaves them. */
const layout: InputLayout = {
  width: 27,
  tables: [
    { name: 'item', rows: 30, width: 5 },
    { name: 'user', rows: 20, width: 7 },
  ],
  columns: [
    { field: 'item', offset: 0, width: 5, kind: 'id', table: 'item' },
    { field: 'age', offset: 5, width: 1, kind: 'number' },
    { field: 'seen', offset: 6, width: 5, kind: 'bag', table: 'item', pooling: 'mean' },
    { field: 'user', offset: 11, width: 7, kind: 'id', table: 'user' },
    { field: 'picture', offset: 18, width: 3, kind: 'vector' },
    { field: 'price', offset: 21, width: 1, kind: 'number' },
    { field: 'shops', offset: 22, width: 5, kind: 'bag', table: 'item', pooling: 'sqrtn' },
  ],
};
const FIELDS = layout.columns.map(({ field }) => field);
/** Splits of the fields that differ in what is adjacent. */
const SPLITS = [[], ['item'], ['price', 'picture'], ['item', 'seen', 'picture', 'shops'], FIELDS].map(
  (fields) => new Set(fields),
);

function mixedBatch(rows: number): Batch {
  const random = randomStream(5, 'rows');
  const idsOf = (count: number, below: number): Uint32Array =>
    Uint32Array.from({ length: count }, () => random.below(below));
  const floats = (count: number): Float32Array => Float32Array.from({ length: count }, () => random.normal());
  const bag = () => {
    const offsets = new Uint32Array(rows + 1);
    for (let b = 0; b < rows; b++) offsets[b + 1] = offsets[b]! + random.below(4);
    const weights = floats(offsets[rows]!).map(Math.abs);
    return { offsets, ids: idsOf(offsets[rows]!, 30), weights };
  };
  return toBatch({
    rows,
    ids: new Map([
      ['item', idsOf(rows, 30)],
      ['user', idsOf(rows, 20)],
    ]),
    numbers: new Map([
      ['age', floats(rows)],
      ['price', floats(rows)],
    ]),
    vectors: new Map([['picture', { width: 3, data: floats(3 * rows) }]]),
    bags: new Map([
      ['seen', bag()],
      ['shops', bag()],
    ]),
  });
}

const NAMED: ReadonlyMap<string, Interest> = new Map(Object.entries(INTERESTS));
/** Operations whose rows depend on each other are for losses only. */
const OF_BATCHES = ['through batchSum', 'through groupLogSumExp', 'through groupPairs'];
const OPERATIONS = [...LOSS_CASES].filter(([name]) => name.startsWith('through ') && !OF_BATCHES.includes(name));

describe('candidates of a user have the predictions of whole rows', () => {
  it.each(OPERATIONS)('%s', (_, build) => {
    const plan = planOf(layout, (g, input, y) => {
      const loss = build(g, input, y, 'l');
      if (loss.op !== 'squaredError') throw new Error('expected a squared error');
      return { predictions: { p: loss.prediction }, terms: [{ name: 'p', weight: 1, loss }] };
    });
    const program = compileRanked(plan);
    for (const fields of SPLITS) expectRanked(program, mixedBatch(9), fields, 4, [0, 3, 3, 8, 4, 1]);
  });

  it('of operations on the looked-up columns themselves', () => {
    const plan = planOf(layout, (g, input, y) => {
      const normed = g.batchNorm(g.concat([input, g.slice(input, 3, 10)]), 'norm');
      const [logits, sides] = ['out', 'side'].map((name) => g.linear(g.dropout(normed, 0.3, name), 2, name));
      const fields = g.multiply(g.slice(input, 6, 5), g.slice(input, 22, 5));
      const blocks = g.join(g.linear(g.split(g.concat([fields, g.slice(input, 0, 5)]), 2), 3, 'blocks'));
      const out = g.linear(g.concat([logits!, sides!, blocks]), 1, 'last');
      return {
        predictions: { p: out, raw: g.slice(input, 21, 1), of: g.slice(input, 11, 1) },
        terms: [{ name: 'p', weight: 1, loss: g.squaredError(out, y) }],
      };
    });
    const program = compileRanked(plan);
    for (const fields of subsetsOf(FIELDS)) expectRanked(program, mixedBatch(5), fields, 2, [0, 4, 2]);
  });

  it('of no candidate, of one, and of more than a pass has', () => {
    const plan = planOf(layout, (g, input, y) => {
      const out = g.linear(g.activation(g.linear(input, 9, 'a'), 'relu', 'r'), 1, 'out');
      return { predictions: { p: out }, terms: [{ name: 'p', weight: 1, loss: g.squaredError(out, y) }] };
    });
    const program = compileRanked(plan);
    const every = Array.from({ length: 2500 }, (_, row) => row % 7);
    for (const candidates of [[], [3], every]) expectRanked(program, mixedBatch(7), SPLITS[3]!, 1, candidates);
  });

  it('of sequences with aligned fields', () => {
    const program = compileRanked(planWith(dinOfPaper('dice'), undefined, ['tower'], ALIGNED_LAYOUT));
    for (const fields of [['target'], ['price'], ['target', 'clicked', 'shops', 'ages'], ['shops', 'clicked', 'ages']])
      for (const user of [0, 2, 7])
        expectRanked(program, withAligned(batchOf(8, 3), 4), new Set(fields), user, [0, 1, 1, 7, 5]);
  });

  it.each(Object.entries(INTERESTS))('of sequences: %s', (_, interest) => {
    const program = compileRanked(planWith(interest));
    for (const fields of subsetsOf(['target', 'price', 'clicked']))
      expectRanked(program, batchOf(8, 3), fields, 2, [0, 1, 1, 7, 5]);
  });
});

describe('what is computed per candidate', () => {
  const fieldsOf = (interest: string): readonly string[] => [
    ...compileRanked(planWith(NAMED.get(interest)!)).createRanker!(new Set(['target'])).candidateFields,
  ];

  it('excludes the sequences of a user', () => {
    for (const name of ['mean pooling', 'causal attention', 'position of items', 'din', 'expand'])
      expect(fieldsOf(name)).toEqual(['target']);
  });

  it('includes fields that are aligned with those of candidates', () => {
    const program = compileRanked(planWith(dinOfPaper('relu'), undefined, ['tower'], ALIGNED_LAYOUT));
    const fields = (given: string): readonly string[] => [...program.createRanker!(new Set([given])).candidateFields];
    expect(fields('shops').toSorted()).toEqual(['ages', 'clicked', 'shops']);
    expect(fields('price')).toEqual(['price']);
  });

  it('excludes lookups and layers of the items of a user', () => {
    const compiled = compile({ ...planWith(NAMED.get('attention in heads')!), isRanked: true });
    const { candidates } = lowerRanking(compiled, new Set(['target']));
    expect(candidates.map(({ kernel }) => kernel).filter((kernel) => /item|segment|expand/i.test(kernel))).toEqual([]);
    const combined = compile({ ...planWith(dinWith('relu')), isRanked: true });
    const { user, candidates: met } = lowerRanking(combined, new Set(['target']));
    const lookedUp = (calls: readonly Call[]): readonly string[] =>
      calls.flatMap(({ kernel, operands }) =>
        kernel === 'lookup' ? [(operands[argumentNames('lookup').indexOf('table')] as Ref).buffer.name] : [],
      );
    expect(lookedUp(user)).toEqual(['table item']);
    // Items are repeated from those of the user; the table has the candidate.
    expect(lookedUp(met)[0]).toBe('table item');
    expect(
      lookedUp(met)
        .slice(1)
        .every((name) => name.startsWith('shared ')),
    ).toBe(true);
  });

  it('is independent of the values that the previous user had', () => {
    const program = compileRanked(planWith(INTERESTS.din, undefined, ['tower'], LAYOUT));
    for (const user of [0, 7, 3]) expectRanked(program, batchOf(8, 3), new Set(['target']), user, [1, 2]);
  });

  it('excludes the products of user columns and the lookups of user fields', () => {
    const plan = planOf(layout, (g, input, y) => {
      const out = g.linear(g.activation(g.linear(input, 9, 'a'), 'relu', 'r'), 1, 'out');
      return { predictions: { p: out }, terms: [{ name: 'p', weight: 1, loss: g.squaredError(out, y) }] };
    });
    const { user, candidates } = lowerRanking(
      compile({ ...plan, isRanked: true }),
      new Set(['item', 'picture', 'price']),
    );
    const argumentsOf = (calls: readonly Call[], kernel: KernelName, name: string): readonly unknown[] =>
      calls
        .filter((call) => call.kernel === kernel)
        .map(({ operands }) => operands[argumentNames(kernel).indexOf(name)]);
    // The item, then the picture and the price, which are adjacent; then 9 hidden units.
    expect(argumentsOf(candidates, 'gemm', 'k')).toEqual([5, 4, 9]);
    expect(argumentsOf(user, 'gemm', 'k')).toEqual([13, 5]);
    expect(argumentsOf(candidates, 'lookup', 'width')).toEqual([5]);
    expect(argumentsOf(user, 'lookup', 'width')).toEqual([7]);
    expect(argumentsOf(user, 'lookupBags', 'rows')).toEqual([shared(1), shared(1)]);
    expect(argumentsOf(candidates, 'lookupBags', 'rows')).toEqual([]);
    expect(argumentsOf(candidates, 'copyColumns', 'ldx')).toEqual([3, 1]);
  });

  it('follows restored weights', () => {
    const program = compileRanked(planWith(NAMED.get('mean pooling')!));
    const ranked = (): void => expectRanked(program, batchOf(8, 3), new Set(['target']), 2, [1, 2]);
    ranked();
    const weights = new Map(
      [...program.state().weights].map(([name, { shape, data }]) => [name, { shape, data: data.map((x) => -2 * x) }]),
    );
    program.restore({ step: 0, weights, optimizer: new Map() });
    ranked();
  });
});
