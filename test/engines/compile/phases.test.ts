import { toBatch } from '../../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/engines/engine.js';
import { BY_COLUMNS, BY_ROWS, inPhases } from '../../../src/engines/compile/phases.js';
import { createCpuEngine } from '../../../src/engines/cpu/engine.js';
import { GraphBuilder } from '../../../src/graph/builder.js';
import type { Value } from '../../../src/graph/operations.js';
import { denseOptimizers, embeddingOptimizerSchema } from '../../../src/optimizers/optimizers.js';

const partitionOf = ({ op }: Value) => (op === 'batchNorm' ? BY_COLUMNS : BY_ROWS);

describe('the phases of a step', () => {
  it('group independent calls, and are few', () => {
    const g = new GraphBuilder();
    const x = g.input({ kind: 'features', begin: 0 }, 4);
    for (const name of ['a', 'b'])
      g.activation(g.batchNorm(g.linear(x, 8, name), `${name}.norm`), 'relu', `${name}.relu`);
    const phases = inPhases(g.values, partitionOf).map((phase) => phase.map(({ op }) => op));
    expect(phases).toEqual([
      ['input', 'linear', 'linear'],
      ['batchNorm', 'batchNorm'],
      ['activation', 'activation'],
    ]);
  });

  it('separate two norms of one value, which share a gradient, and a norm of a norm', () => {
    const g = new GraphBuilder();
    const x = g.linear(g.input({ kind: 'features', begin: 0 }, 4), 8, 'a');
    const first = g.batchNorm(x, 'first');
    g.batchNorm(x, 'second');
    g.batchNorm(first, 'third');
    expect(inPhases(g.values, partitionOf).map((phase) => phase.length)).toEqual([2, 1, 2]);
  });
});

describe('prediction', () => {
  it('computes a layer even if the other layers of its input are only for training', async () => {
    const g = new GraphBuilder();
    const x = g.input({ kind: 'features', begin: 0 }, 2);
    const y = g.input({ kind: 'label', column: 'y' }, 1);
    const [auxiliary, main] = ['auxiliary', 'main'].map((name) => g.linear(x, 1, name));
    const terms = [auxiliary!, main!].map((z, i) => ({ name: `t${i}`, loss: g.squaredError(z, y), weight: 1 }));
    const plan: Plan = {
      graph: {
        values: g.values,
        parameters: g.parameters,
        terms,
        predictions: new Map<string, Value>([['main', main!]]),
      },
      layout: {
        width: 2,
        tables: [],
        columns: [0, 1].map((i) => ({ field: `x${i}`, offset: i, width: 1, kind: 'number' as const })),
      },
      optimizers: { dense: denseOptimizers.schema.parse({}), embeddings: embeddingOptimizerSchema.parse({}) },
      seed: 1,
    };
    const program = createCpuEngine().compile(plan);
    const numbers = new Map([
      ['x0', Float32Array.of(1, 0)],
      ['x1', Float32Array.of(0, 1)],
    ]);
    const predicted = (await program.predict(toBatch({ rows: 2, numbers }))).get('main')!;
    const { weights } = program.state();
    const [weight, bias] = [weights.get('main.weight')!.data, weights.get('main.bias')!.data[0]!];
    expect([...predicted]).toEqual([Math.fround(weight[0]! + bias), Math.fround(weight[1]! + bias)]);
  });
});
