import { describe, expect, it } from 'vitest';
import type { Plan, Program } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import { differentBytes, type Named } from '../support/different-bytes.js';
import { LOSS_CASES } from '../support/every-operation.js';
import { numericBatch, planOf } from '../support/graph-plan.js';

// Every operation and loss in one graph, on several threads: rows and columns end within the blocks of kernels.

const WIDTH = 22;
const ROWS = [149, 64, 3];

const plan: Plan = planOf(WIDTH, (g, input, y) => {
  const terms = [...LOSS_CASES].map(([name, build]) => ({ name, weight: 0.5, loss: build(g, input, y, name) }));
  return {
    predictions: Object.fromEntries(
      terms.map(({ name, loss }) => [
        name,
        loss.op === 'squaredError' ? loss.prediction : loss.op === 'mean' ? loss.x : loss.logit,
      ]),
    ),
    terms,
  };
});

/** Returns all results of a program for batches: of inspecting, training and predicting. */
async function everything(program: Program): Promise<Named> {
  const made = new Map<string, Float32Array | Float64Array>();
  for (const rows of ROWS) {
    const batch = numericBatch(rows, WIDTH, rows);
    const { losses, predictions, gradients } = await program.inspect(batch);
    for (const [name, { mean, rows: counted }] of losses)
      made.set(`${rows} rows: loss ${name}`, Float64Array.of(mean, counted));
    for (const [name, values] of predictions) made.set(`${rows} rows: prediction ${name}`, values.slice());
    for (const [name, { data }] of gradients) made.set(`${rows} rows: gradient of ${name}`, data.slice());
    await program.trainStep(batch);
    for (const [name, { data }] of program.state().weights)
      made.set(`${rows} rows: ${name} after a step`, data.slice());
    for (const [name, values] of await program.predict(batch))
      made.set(`${rows} rows: ${name} in evaluation`, values.slice());
  }
  program.dispose();
  return made;
}

describe.each([
  ['fused', true],
  ['plain', false],
])('a step on several threads, %s', (_, allowRelaxed) => {
  it.each([2, 4])('is bitwise identical to one thread in every operation, with %i', async (threads) => {
    const alone = await everything(createCpuEngine(1, allowRelaxed).compile(plan));
    const shared = await everything(createCpuEngine(threads, allowRelaxed, { isPatient: true }).compile(plan));
    expect(differentBytes(shared, alone)).toEqual([]);
  });
});

describe('compared bytes', () => {
  it('differ for -0 and 0, for NaN and Infinity, and for any element', () => {
    const numbers = Float32Array.of(0, NaN, 1);
    const unlike = [
      Float32Array.of(-0, NaN, 1),
      Float32Array.of(0, Infinity, 1),
      Float32Array.of(0, NaN, 1 + 2 ** -23),
      Float32Array.of(0, NaN),
      Float64Array.of(0, NaN, 1),
    ];
    for (const other of unlike)
      expect(differentBytes(new Map([['a', numbers]]), new Map([['a', other]]))).toEqual(['a']);
    expect(differentBytes(new Map([['a', numbers]]), new Map([['a', numbers.slice()]]))).toEqual([]);
    expect(differentBytes(new Map([['a', numbers]]), new Map([['b', numbers]]))).toEqual(['a', 'b']);
  });
});
