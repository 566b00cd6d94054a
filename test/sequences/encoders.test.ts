import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { sliceRows } from '../../src/core/batch.js';
import { compile } from '../../src/engines/compile/compile.js';
import { printProgram } from '../../src/engines/compile/print.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Engine } from '../../src/engines/engine.js';
import { encoders } from '../../src/sequences/encoders.js';
import { engineTags } from '../support/engine-tags.js';
import { batchWith, encoderBatch, MAX_ITEMS, planOfEncoder, TABLES } from '../support/encoder-plan.js';
import { restoreLargeTables } from '../support/large-tables.js';
import type { EncoderCase } from '../support/encoder-plan.js';
import { expectLikeFloat64 } from '../support/like-float64.js';
import { createTfjsEngine } from '../support/tfjs.js';

const engines: readonly (readonly [string, () => Promise<Engine>])[] = [
  ['cpu', () => Promise.resolve(createCpuEngine())],
  ['tfjs', createTfjsEngine],
];

/** Options besides the defaults. */
const OPTIONS: Readonly<Record<string, readonly Omit<EncoderCase['spec'], 'name'>[]>> = {
  pooling: [{ of: 'sum' }, { of: 'max' }],
  'target-attention': [
    { weights: 'sigmoid', sum: false, products: false },
    { weights: 'softmax', hidden: [5, 4], activation: 'prelu', norm: false },
    { weights: 'linear', hidden: [], position: true },
  ],
  hstu: [
    { causal: false, blocks: 2, heads: 3, width: 6, distances: 3, octaves: 6 },
    {
      dropout: 0.3,
      width: 4,
      heads: 1,
      position: false,
      distances: 0,
      octaves: 12,
      readout: { weights: 'softmax', sum: false },
    },
  ],
  gru: [
    { width: 8, position: false },
    { width: 24, position: true },
  ],
  augru: [
    { width: 8, position: false },
    { width: 40, position: true },
  ],
  search: [
    { top: 2, width: 3, attention: { hidden: [5] } },
    { top: 3, by: 'hash', bits: 21, attention: { weights: 'softmax', sum: false } },
  ],
  'self-attention': [
    { norm: 'pre', causal: true, blocks: 2, heads: 3, width: 6, hidden: 5 },
    {
      dropout: 0.3,
      activation: 'gelu',
      width: 4,
      heads: 1,
      position: false,
      readout: { weights: 'softmax', sum: false },
    },
  ],
};

const inputs: readonly Omit<EncoderCase, 'spec'>[] = [
  {},
  { isWeighted: true },
  { hasAges: true },
  { fields: ['item'] },
  { targets: ['shop'], fields: ['shop', 'action', 'item'] },
];

const cases = encoders.parts.flatMap(({ name }) => [
  ...inputs.map((input): EncoderCase => ({ spec: { name }, ...input })),
  ...(OPTIONS[name] ?? []).flatMap((options): EncoderCase[] => [
    { spec: { name, ...options } },
    { spec: { name, ...options }, isWeighted: true, hasAges: true },
  ]),
]);
const titled = cases.map((each) => ({ title: JSON.stringify(each), given: each }));
const withoutTargets = encoders.parts
  .filter((part) => !('requiresTarget' in part))
  .map(({ name }): EncoderCase => ({ spec: { name }, targets: [] }));

/** Predicts the columns of an encoder. */
async function encodeOn(engine: Engine, given: EncoderCase, batch: ReturnType<typeof batchWith>) {
  const program = engine.compile(planOfEncoder(given));
  restoreLargeTables(program, TABLES);
  const predictions = new Map([...(await program.predict(batch))].map(([name, values]) => [name, [...values]]));
  program.dispose();
  return predictions;
}

describe('an encoder', () => {
  describe.each(engines)('equals float64 on %s', (engine, create) => {
    const tags = engineTags(engine);
    const all = [...cases, ...withoutTargets].map((given) => ({ given, title: JSON.stringify(given) }));
    it.each(all)('$title', { tags }, async ({ given }) => {
      const plan = planOfEncoder(given);
      const program = (await create()).compile(plan);
      restoreLargeTables(program, TABLES);
      await expectLikeFloat64(program, plan, encoderBatch(24, 1), 3e-5);
      program.dispose();
    });
  });

  it.each(titled)('gives zeros to a row without items: $title', { tags: ['long'] }, async ({ given }) => {
    const predictions = await encodeOn(createCpuEngine(), given, batchWith([0, 3, 0, MAX_ITEMS], 2));
    const columns = [...predictions].filter(([name]) => name.startsWith('column'));
    for (const [name, [empty, some, alsoEmpty]] of columns) {
      expect([empty, alsoEmpty], name).toEqual([0, 0]);
      expect(some, name).not.toBe(0);
    }
  });

  it.each(titled)('gives a row the same result in any batch: $title', { tags: ['long'] }, async ({ given }) => {
    const batch = encoderBatch(30, 4);
    const all = await encodeOn(createCpuEngine(), given, batch);
    const part = await encodeOn(createCpuEngine(), given, sliceRows(batch, 11, 18));
    for (const [name, values] of part) expect(values, name).toEqual(all.get(name)!.slice(11, 18));
  });

  it.each(titled.filter(({ given: { isWeighted, fields } }) => isWeighted !== true && fields === undefined))(
    'trains to bitwise identical weights for 1, 2 and 3 threads: $title',
    { tags: ['long'] },
    async ({ given }) => {
      const trained: unknown[] = [];
      for (const threads of [1, 2, 3]) {
        const plan = { ...planOfEncoder(given), batchRows: 300 };
        const program = createCpuEngine(threads, true, { isPatient: true }).compile(plan);
        await setTimeout(100);
        restoreLargeTables(program, TABLES);
        for (let seed = 0; seed < 3; seed++) {
          const { losses } = await program.trainStep(encoderBatch(300, seed));
          expect(losses.get('ctr')!.mean).toBeGreaterThan(0); // A skipped step has no loss.
        }
        trained.push([...program.state().weights].map(([name, { data }]) => [name, data.slice()]));
        program.dispose();
      }
      expect(trained[1]).toEqual(trained[0]);
      expect(trained[2]).toEqual(trained[0]);
    },
  );

  const withWeights = encoders.names.filter((name) => planOfEncoder({ spec: { name } }).graph.attention !== undefined);
  it.each(withWeights)('%s computes nothing more in training for the weights of its items', (name) => {
    const plan = planOfEncoder({ spec: { name } });
    const { attention, ...graph } = plan.graph;
    expect(attention).toHaveLength(1);
    const programs = [plan, { ...plan, graph }].map((each) => printProgram(compile(each), 'train'));
    expect(programs[1]).toBe(programs[0]);
  });

  it('of the candidate starts with the scaled dot product of 7 columns, and with small weights', () => {
    const program = createCpuEngine().compile(planOfEncoder({ spec: { name: 'target-attention' } }));
    const { weights } = program.state();
    expect([...weights.get('encoder.products.weight')!.data]).toEqual(new Array(7).fill(Math.fround(1 / Math.sqrt(7))));
    expect([...weights.get('encoder.attention.out.bias')!.data]).toEqual([-2]);
    program.dispose();
  });

  it.each(['gru', 'augru'])('with states of a part of a panel is rejected: %s', (name) => {
    const { error } = encoders.schema.safeParse({ name, width: 12 });
    expect(error!.issues).toMatchObject([{ path: ['width'], message: 'width is 12; expected a multiple of 8' }]);
  });

  it('with heads of different widths is rejected', () => {
    for (const name of ['self-attention', 'hstu']) {
      const { error } = encoders.schema.safeParse({ name, width: 6, heads: 4 });
      expect(error!.issues).toMatchObject([
        { path: ['width'], message: 'width is 6; expected a multiple of heads, 4' },
      ]);
    }
  });
});
