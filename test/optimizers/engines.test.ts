/** @module-tag long */
import { toBatch } from '../support/batches.js';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import { lookUp } from '../../src/graph/lookups.js';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import { readIds, type Batch } from '../../src/core/batch.js';
import type { Engine, Inspection, Plan, Program, ProgramState } from '../../src/engines/engine.js';
import { tableTensor } from '../../src/engines/engine.js';
import { planSize } from '../../src/engines/plan-size.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { createHost } from '../../src/engines/cpu/host.js';
import type { Host } from '../../src/engines/host.js';
import { denseOptimizers, embeddingOptimizerSchema, optimizers } from '../../src/optimizers/optimizers.js';
import { gradientOf } from '../support/host.js';
import { oddOptions } from '../support/optimizer-host.js';
import { compileShared } from '../support/shared-steps.js';
import { createTfjsEngine } from '../support/tfjs.js';
import { webGpuEngines } from '../support/webgpu.js';

const SCALE = 0.002;
const work: Workload = {
  name: 'mmoe',
  batchRows: 300,
  width: 5,
  numbers: ['D0', 'D1'],
  bags: { '210': 4, '853': 3 },
  model: { name: 'mmoe', experts: { count: 3, hidden: [18], dropout: 0.2 }, tower: { hidden: [7], dropout: 0.2 } },
};
const STEPS = 4;
const batches = batchesOf(work, STEPS, SCALE);

type Part = (typeof optimizers.parts)[number];

/** A plan with an optimizer for all that it can train, and others of its options than the defaults. */
function planWith({ name, unit }: Part, lazy = true): Plan {
  const odd = oddOptions(name, 0.001);
  return {
    ...planOf(work, SCALE),
    optimizers: {
      dense: denseOptimizers.schema.parse(unit === 'row' ? {} : odd),
      embeddings: embeddingOptimizerSchema.parse({ ...odd, lazy }),
    },
  };
}

/** All numbers of a state by tensor, copied. */
function numbersOf({ weights, optimizer }: ProgramState): Map<string, Float32Array> {
  return new Map([...weights, ...optimizer].map(([name, { data }]) => [name, data.slice()]));
}

/** A host with the plan's weights and tables, which are told gradients and compute none: one field for each table. */
function hostBeside(plan: Plan, program: Program): Host {
  const { tables, width } = { tables: plan.layout.tables, width: work.width };
  const layout = {
    tables,
    width: tables.length * width,
    columns: tables.map(({ name }, t) => ({ kind: 'id' as const, field: name, table: name, offset: t * width, width })),
  };
  const g = new GraphBuilder();
  lookUp(g, layout.columns);
  const graph = { ...plan.graph, values: g.values };
  const host = createHost({ ...plan, graph, layout, batchRows: Math.max(...tables.map(({ rows }) => rows)) });
  host.store.restore(program.state());
  return host;
}

/** Tells a host the gradients that a program found for a batch. */
function applyBeside(host: Host, plan: Plan, batch: Batch, gradients: Inspection['gradients'], step: number): void {
  const { tables } = plan.layout;
  const { width } = work;
  const touched = tables.map(({ name }) => [
    ...new Set(readIds(batch, name).ids.subarray(0, readIds(batch, name).count)),
  ]);
  const rows = Math.max(...touched.map(({ length }) => length));
  const inputGradient_BI = new Float32Array(rows * tables.length * width);
  touched.forEach((ids, t) => {
    const { data } = gradients.get(tableTensor(tables[t]!.name))!;
    ids.forEach((id, b) =>
      inputGradient_BI.set(data.subarray(id * width, (id + 1) * width), (b * tables.length + t) * width),
    );
  });
  // What fills a column up comes with a gradient of 0.
  const ids = new Map(
    tables.map(({ name }, t) => [
      name,
      Uint32Array.from({ length: rows }, (_, b) => touched[t]![b] ?? touched[t]![0]!),
    ]),
  );
  const looked = host.lookup(toBatch({ rows, ids }));
  host.add(gradientOf(looked, inputGradient_BI), new Map([...gradients].map(([name, { data }]) => [name, data])), {
    area: 0,
    isFirst: true,
  });
  expect(host.update(step, { dense: 1, embeddings: 1 })).toBe(true);
}

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['simd', () => Promise.resolve(createCpuEngine(1))],
  ['simd without fused products', () => Promise.resolve(createCpuEngine(1, false))],
  ['tfjs', () => createTfjsEngine()],
  ...webGpuEngines,
];

for (const part of optimizers.parts) {
  describe(part.name, () => {
    it.each(engines.flatMap(([engine, create]) => [true, false].map((lazy) => [engine, lazy, create] as const)))(
      'updates dense weights, ids and bags on %s as the kernels do for the same gradients (lazy: %j)',
      async (engine, lazy, create) => {
        const plan = planWith(part, lazy);
        const program = (await create()).compile(plan);
        const host = hostBeside(plan, program);
        const isTrained = ([name]: readonly [string, unknown]): boolean =>
          plan.graph.parameters.find((parameter) => parameter.name === name)?.isTrainable ?? true;
        for (const [step, batch] of batches.entries()) {
          const { gradients } = await program.inspect(batch);
          await program.trainStep(batch);
          applyBeside(host, plan, batch, gradients, step + 1);
          const expected = numbersOf(host.store.state(step + 1));
          for (const [name, found] of [...numbersOf(program.state())].filter(isTrained)) {
            // Norms of a whole tensor are summed in the order in which it lies; a device rounds roots and quotients as
            // it likes.
            const allowed = part.unit === 'tensor' || engine === 'webgpu' ? 1e-6 : 0;
            expect(
              Math.max(...found.map((value, i) => Math.abs(value - expected.get(name)![i]!))),
              name,
            ).toBeLessThanOrEqual(allowed);
          }
        }
        host.dispose();
        program.dispose();
      },
    );

    it('is bitwise identical for 1, 2 and 4 threads', async () => {
      const ends = [];
      for (const threads of [1, 2, 4]) {
        const { program, sharedSteps } = await compileShared(planWith(part), threads);
        for (const batch of batches) await program.trainStep(batch);
        expect(sharedSteps()).toBe(threads === 1 ? 0 : STEPS);
        ends.push(numbersOf(program.state()));
        program.dispose();
      }
      const [one, ...others] = ends;
      for (const other of others) expect(other).toEqual(one);
    });

    it('resumes from a saved state with identical results', async () => {
      const engine = createCpuEngine();
      const plan = planWith(part);
      const [through, first, second] = [engine.compile(plan), engine.compile(plan), engine.compile(plan)];
      for (const batch of batches) await through.trainStep(batch);
      for (const batch of batches.slice(0, 2)) await first.trainStep(batch);
      second.restore(first.state());
      for (const batch of batches.slice(2)) await second.trainStep(batch);
      expect(numbersOf(second.state())).toEqual(numbersOf(through.state()));
      for (const program of [through, first, second]) program.dispose();
    });

    it('has the memory size that is estimated before training', () => {
      const engine = createCpuEngine();
      const plan = planWith(part);
      const program = engine.compile(plan);
      const { optimizer } = program.state();
      expect(planSize(plan, engine, 0).optimizerBytes).toBe(
        [...optimizer.values()].reduce((sum, { data }) => sum + data.byteLength, 0),
      );
      program.dispose();
    });
  });
}
