import { toBatch } from '../support/batches.js';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import type { HostTensor } from '../../src/core/tensor.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Engine, Plan } from '../../src/engines/engine.js';
import { buildModel, listLookups, models } from '../../src/models/models.js';
import { denseOptimizers } from '../../src/optimizers/optimizers.js';
import { withWidePart, type InputColumns } from '../../src/tables/layout.js';
import { task } from '../support/by-hand.js';
import { expectLikeFloat64 } from '../support/like-float64.js';
import { createTfjsEngine } from '../support/tfjs.js';
import { expectClose } from '../support/expect-close.js';

// Predictions, losses and gradients of FuxiCTR's models; make_cases.py writes them.

interface Tensor {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}
interface Case {
  readonly name: string;
  readonly bottom: { readonly name: string };
  readonly wide: boolean;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly labels: readonly number[];
  readonly predictions: readonly number[];
  readonly loss: number;
  readonly weights: Readonly<Record<string, Tensor>>;
  readonly gradients: Readonly<Record<string, readonly number[]>>;
}

const folder = join(import.meta.dirname, 'cases');
const cases = readdirSync(folder).flatMap((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as Case[]);

const hasIds = (field: string): boolean => field !== 'price';

function planOf({ bottom, wide, inputs, weights }: Case): Plan {
  const tables = Object.keys(inputs)
    .filter(hasIds)
    .map((name) => {
      const [rows, width] = weights[`embeddings.${name}`]!.shape as [number, number];
      return { name, rows, width };
    });
  let offset = 0;
  const columns = Object.keys(inputs).map((field): InputColumns => {
    const width = tables.find(({ name }) => name === field)?.width ?? 1;
    offset += width;
    const shared = { field, group: field, offset: offset - width, width };
    return hasIds(field) ? { ...shared, kind: 'id', table: field } : { ...shared, kind: 'number' };
  });
  const tasks = [task('ctr', { label: 'click' })];
  const spec = models.schema.parse({ name: 'esmm', bottom, wide, ctrTower: { hidden: [] } });
  const features = { width: offset, tables, columns };
  const { wide: widePart } = listLookups(spec, tasks);
  const layout = widePart === undefined ? features : withWidePart(features, widePart);
  const sgd = denseOptimizers.schema.parse({ name: 'sgd', learningRate: 0.1 });
  return {
    graph: buildModel(spec, layout, tasks),
    layout,
    optimizers: { dense: sgd, embeddings: { ...sgd, lazy: true } },
    seed: 1,
  };
}

function batchOf({ inputs, labels }: Case): Batch {
  const columns = Object.entries(inputs);
  return toBatch({
    rows: labels.length,
    ids: new Map(columns.filter(([field]) => hasIds(field)).map(([field, ids]) => [field, Uint32Array.from(ids)])),
    numbers: new Map(
      columns.filter(([field]) => !hasIds(field)).map(([field, values]) => [field, Float32Array.from(values)]),
    ),
    labels: new Map([['click', Float32Array.from(labels)]]),
  });
}

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['cpu', () => Promise.resolve(createCpuEngine())],
  ['tfjs', () => createTfjsEngine()],
];

describe.each(engines)('on the %s engine', (_, create) => {
  it.each(cases.map((each) => [each.bottom.name, each.name, each] as const))(
    '%s agrees with FuxiCTR: %s',
    async (_bottom, _name, given) => {
      const plan = planOf(given);
      const batch = batchOf(given);
      const program = (await create()).compile(plan);
      const weights = new Map([
        ...program.state().weights,
        ...Object.entries(given.weights).map(([name, { shape, data }]): [string, HostTensor] => [
          name,
          { shape, data: Float32Array.from(data) },
        ]),
      ]);
      program.restore({ step: 0, optimizer: new Map(), weights });
      const { predictions, losses, gradients } = await program.inspect(batch);
      expectClose(predictions.get('ctr')!, given.predictions, 'predictions');
      const total = plan.graph.terms.reduce((sum, { name, weight }) => sum + weight * losses.get(name)!.mean, 0);
      expect(total).toBeCloseTo(given.loss, 5);
      expect([...gradients.keys()].sort()).toEqual(Object.keys(given.gradients).sort());
      for (const [name, gradient] of Object.entries(given.gradients))
        expectClose(gradients.get(name)!.data, gradient, `gradient of ${name}`);
      await expectLikeFloat64(program, plan, batch, 3e-5);
      program.dispose();
    },
  );
});
