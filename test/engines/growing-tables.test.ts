import { describe, expect, it } from 'vitest';
import { column } from '../../src/core/batch.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Engine, Plan, StepPlan } from '../../src/engines/engine.js';
import { planSize } from '../../src/engines/plan-size.js';
import { changes, growingPlan } from '../support/growing-plan.js';
import { createTfjsEngine } from '../support/tfjs.js';
import { copyOfWeights, twoTermBatch } from '../support/two-terms.js';
import { webGpuEngines } from '../support/webgpu.js';

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['one thread', () => Promise.resolve(createCpuEngine(1))],
  ['three threads', () => Promise.resolve(createCpuEngine(3))],
  ['tfjs', () => createTfjsEngine()],
  ...webGpuEngines,
];
const STEPS: readonly (readonly [string, StepPlan])[] = [
  ['plain steps', {}],
  ['an EMA', { average: { decay: 0.9 } }],
];

describe.each(engines)('a growing table (%s)', (engineName, engineOf) => {
  const tags = engineName === 'webgpu' ? ['long'] : [];
  it.each(STEPS)(
    'trains its initial rows bitwise like a table of that size, with %s',
    { tags },
    async (_name, step) => {
      const engine = await engineOf();
      const [plain, growing] = [engine.compile(growingPlan(40, step)), engine.compile(growingPlan(5000, step))];
      const predictions = [];
      for (const program of [plain, growing]) {
        for (let s = 0; s < 3; s++) {
          await program.trainStep(twoTermBatch(40, s));
          predictions.push(await program.averaged(() => program.predict(twoTermBatch(40, s))));
        }
      }
      expect(predictions.slice(3)).toEqual(predictions.slice(0, 3));
      expect(copyOfWeights(growing)).toEqual(copyOfWeights(plain));
      expect(growing.state().weights.get('embeddings.item')!.shape).toEqual([40, 5]);
      for (const program of [plain, growing]) program.dispose();
    },
  );

  it.each(STEPS)(
    'gives new ids fresh rows and state, and leaves all other rows, with %s',
    { tags },
    async (_name, step) => {
      const program = (await engineOf()).compile(growingPlan(5000, step));
      await program.trainStep(twoTermBatch(40, 0));
      const rowsOf = (kind: 'weights' | 'optimizer', name: string): Float32Array[] => {
        const { shape, data } = program.state()[kind].get(name)!;
        return Array.from({ length: shape[0]! }, (_, row) => data.slice(row * shape[1]!, (row + 1) * shape[1]!));
      };
      const slots = [...program.state().optimizer.keys()].filter((name) => name.startsWith('embeddings.item.'));
      const names = [['weights', 'embeddings.item'], ...slots.map((name) => ['optimizer', name])] as const;
      const before = names.map(([kind, name]) => rowsOf(kind as 'weights', name));
      program.changeRows(changes([3, 41], [5]));
      for (const [n, [kind, name]] of names.entries()) {
        const rows = rowsOf(kind as 'weights', name);
        expect(rows.length).toBe(42);
        for (const [row, values] of before[n]!.entries()) if (row !== 3 && row !== 5) expect(rows[row]).toEqual(values);
      }
      const weights = rowsOf('weights', 'embeddings.item');
      expect(weights[5]).toEqual(new Float32Array(5));
      for (const row of [3, 41]) {
        // N(0, 1e-4²), as initial rows.
        expect(weights[row]!.every((value) => value !== 0 && Math.abs(value) < 1e-3)).toBe(true);
        expect(weights[row]).not.toEqual(before[0]![3]);
      }
      expect(weights[3]).not.toEqual(weights[41]);
      for (const row of [3, 5, 41])
        expect([...rowsOf('optimizer', 'embeddings.item.squares')[row]!]).toEqual([0.5, 0.5, 0.5, 0.5, 0.5]);
      if (step.average !== undefined) {
        expect(rowsOf('optimizer', 'embeddings.item.trained')[3]).toEqual(weights[3]);
        expect([...rowsOf('optimizer', 'embeddings.item.averageAge')[3]!]).toEqual([0]);
      }
      // Another batch that reuses the row draws other values; the same one draws the same.
      program.changeRows(changes([3], [], 2));
      const reused = rowsOf('weights', 'embeddings.item')[3];
      expect(reused).not.toEqual(weights[3]);
      program.changeRows(changes([3], []));
      expect(rowsOf('weights', 'embeddings.item')[3]).toEqual(weights[3]);
      program.dispose();
    },
  );

  it('predicts by the EMA of new rows, and continues from their weights', { tags }, async () => {
    const engine = await engineOf();
    const average = { average: { decay: 0.9 } };
    const [program, expected] = [engine.compile(growingPlan(5000, average)), engine.compile(growingPlan(5000))];
    await program.trainStep(twoTermBatch(40, 0));
    program.changeRows(changes([41], []));
    const batch = twoTermBatch(40, 1);
    for (const field of ['seen', 'item']) column(batch, field, 'u32').data.fill(41, 0, 5);
    for (let step = 0; step < 3; step++) await program.trainStep(batch);
    const trained = program.state().optimizer.get('embeddings.item.trained')!.data.slice();
    // The weights of a state are the EMA.
    const { step, weights } = program.state();
    expected.restore({ step, weights, optimizer: new Map() });
    expect(await program.averaged(() => program.predict(batch))).toEqual(await expected.predict(batch));
    expect(await program.predict(batch)).not.toEqual(await expected.predict(batch));
    expect(program.state().optimizer.get('embeddings.item.trained')!.data).toEqual(trained);
    for (const each of [program, expected]) each.dispose();
  });

  it('restores a state with more or fewer rows, up to its capacity', { tags }, async () => {
    const engine = await engineOf();
    const [small, large] = [engine.compile(growingPlan(60)), engine.compile(growingPlan(60))];
    large.changeRows(changes([59], []));
    await large.trainStep(twoTermBatch(40, 0));
    const weights = copyOfWeights(large);
    small.restore(large.state());
    expect(copyOfWeights(small)).toEqual(weights);
    large.restore(engine.compile(growingPlan(60)).state());
    expect(large.state().weights.get('embeddings.item')!.shape).toEqual([40, 5]);
    expect(() => engine.compile(growingPlan(50)).restore(small.state())).toThrow('embeddings.item');
  });
});

describe('a plan with growing tables', () => {
  const cpu = createCpuEngine(1);
  it('is rejected if its optimizer or several processes exclude growth', () => {
    expect(() => planSize(growingPlan(50, {}, false), cpu, 0)).toThrow(
      "field 'item': has a vocabulary that grows, but the optimizer updates all rows in every step",
    );
    const peers = { rank: 0, size: 2 } as NonNullable<Plan['peers']>;
    expect(() => planSize({ ...growingPlan(50), peers }, cpu, 0)).toThrow('train in one process');
  });

  it('counts the rows in use, and not those that a server reserves for later ids', () => {
    const plan = growingPlan(1_000_000);
    const sizeWith = (rows: object) => {
      const tables = plan.layout.tables.map((table) => {
        const { initialRows, ...fixed } = table;
        return initialRows === undefined ? table : { ...fixed, ...rows };
      });
      return { ...planSize({ ...plan, layout: { ...plan.layout, tables } }, cpu, 0), activationBytes: 0 };
    };
    const own = sizeWith({ rows: 40 });
    expect(sizeWith({ usedRows: 40 })).toEqual(own);
    expect(sizeWith({})).not.toEqual(own);
  });

  it.each(STEPS)('commits memory for rows when they are used, with %s', async (_name, step) => {
    const rssOf = (): number => process.memoryUsage().rss;
    const before = rssOf();
    // 1.4 GB with the optimizer state; 1.6 GB with an EMA of fewer rows.
    const program = cpu.compile(growingPlan(step.average === undefined ? 35_000_000 : 25_000_000, step));
    const admitted = Uint32Array.from({ length: 1000 }, (_, i) => 40 + i);
    program.changeRows(new Map([['item', { admitted, cleared: new Uint32Array(0), batch: 1 }]]));
    await program.trainStep(twoTermBatch(40, 0));
    await program.averaged(() => program.predict(twoTermBatch(40, 1)));
    expect(rssOf() - before).toBeLessThan(700e6);
    program.dispose();
  });
});
