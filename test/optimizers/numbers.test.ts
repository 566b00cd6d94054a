/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { adagrad, ftrl, rowWiseAdagrad } from '../../src/optimizers/all.js';
import type { Unit } from '../../src/optimizers/optimizer.js';
import { optimizers } from '../../src/optimizers/optimizers.js';
import { trainedTable, trainedVector, type Trained, type TrainedOptions } from '../support/optimizer-host.js';
import { casesOf, type OptimizerCase } from './cases.js';

const builds = [
  ['relaxed', loadKernels()],
  ['plain', loadKernels(false)],
] as const;

/** How a case is laid out: what stands in each row, as places in a row of the case. */
interface Form {
  readonly title: string;
  readonly columns: readonly number[];
}

const repeated = (times: number, width: number): number[] => Array.from({ length: times * width }, (_, i) => i % width);
const times = [1, 2, 3, 4];

/** Forms in which a rule moves each weight as it does in the case, with every length of a row's end. */
const FORMS: Readonly<Record<Unit, (width: number) => readonly Form[]>> = {
  weight: (width) =>
    [1, 3, 4, 5, 17].map((wide) => ({
      title: `rows of ${wide}`,
      columns: repeated(Math.ceil(wide / width), width).slice(0, wide),
    })),
  // The mean of squares, and the ratio of two norms, are the same for numbers that come again.
  row: (width) => times.map((n) => ({ title: `rows of ${n * width}`, columns: repeated(n, width) })),
  tensor: (width) => times.map((n) => ({ title: `rows of ${n * width}`, columns: repeated(n, width) })),
};

/** Lays arrays of a case out in some of its columns; one number a row stays as it is. */
const laidOut =
  ({ rows, width }: OptimizerCase, columns: readonly number[]) =>
  (values: readonly number[]): readonly number[] =>
    values.length === rows && width > 1
      ? values
      : Array.from({ length: rows }, (_, row) => columns.map((column) => values[row * width + column]!)).flat();

/** The way of a trained tensor through a case. */
function follow(trained: Trained, one: OptimizerCase, laid: (values: readonly number[]) => readonly number[]): void {
  for (const [s, { gradient, touched, learningRate, weights, slots }] of one.steps.entries()) {
    expect(trained.step(laid(gradient), touched, s + 1, learningRate / one.options.learningRate)).toBe(true);
    expectClose(trained.weights(), laid(weights), s + 1);
    if (slots === undefined) continue;
    expect(Object.keys(trained.slots()).sort()).toEqual(Object.keys(slots).sort());
    for (const [name, values] of Object.entries(slots)) expectClose(trained.slots()[name]!, laid(values), s + 1);
  }
}

/**
 * Single precision rounds a weight by up to 6e-8 of it in each operation, and what was rounded before goes on into the
 * next step: so
 * much is allowed for each step so far. Half of it is reached, by RMSprop's first steps and by FTRL's z.
 */
const PER_STEP = 1e-6;

function expectClose(found: readonly number[], expected: readonly number[], steps: number): void {
  expect(found).toHaveLength(expected.length);
  for (const [i, value] of expected.entries())
    expect(
      Math.abs(found[i]! - value),
      `number ${i} after ${steps} steps: ${found[i]} for ${value}`,
    ).toBeLessThanOrEqual(PER_STEP * steps * Math.max(1, Math.abs(value)));
}

/** A tensor as a table of one row, which is what a rule for whole tensors takes at a time. */
const asOneRow = (one: OptimizerCase): OptimizerCase => ({
  ...one,
  rows: 1,
  width: one.rows * one.width,
  steps: one.steps.map((step) => ({ ...step, touched: [0] })),
});

for (const part of optimizers.parts) {
  const cases = casesOf(part.name).filter(({ precision }) => precision === 'float64');
  describe(`${part.name}, step by step`, () => {
    it('has reference cases', () => expect(cases.length).toBeGreaterThan(2));

    for (const [build, kernels] of builds) {
      const trains = (what: string, one: OptimizerCase, create: (options: TrainedOptions) => Trained): void => {
        for (const { title, columns } of FORMS[part.unit](one.width)) {
          const laid = laidOut(one, columns);
          it(`matches the ${what} of ${one.title}, ${title}, ${build} kernels`, () =>
            follow(create({ initial: laid(one.initial), width: columns.length, kernels }), one, laid));
        }
      };
      for (const one of cases) {
        const options = { name: part.name, ...one.options };
        const inTable = one.kind === 'table' || part.unit === 'row' ? one : asOneRow(one);
        if (one.kind === 'dense' && part.unit !== 'row')
          trains('dense weights', one, (trained) => trainedVector(options, trained));
        trains('rows', inTable, (trained) => trainedTable({ ...options, lazy: one.lazy }, trained));
      }
    }
  });
}

describe('row-wise adagrad', () => {
  const cases = casesOf(adagrad.name).filter(({ kind, precision }) => kind === 'table' && precision === 'float64');
  it.each(cases.flatMap((one) => [1, 3, 4, 17].map((width) => [one.title, width, one] as const)))(
    'equals %s if all weights of a row are equal (%i of them)',
    (_, width, one) => {
      for (let column = 0; column < one.width; column++) {
        const laid = laidOut(
          one,
          Array.from({ length: width }, () => column),
        );
        const trained = trainedTable(
          { name: rowWiseAdagrad.name, ...one.options, lazy: one.lazy },
          { initial: laid(one.initial), width },
        );
        for (const [s, { gradient, touched, weights }] of one.steps.entries()) {
          trained.step(laid(gradient), touched, s + 1);
          expectClose(trained.weights(), laid(weights), s + 1);
        }
      }
    },
  );
});

describe('ftrl', () => {
  it.each(
    casesOf(ftrl.name)
      .filter(({ kind }) => kind === 'dense')
      .map((one) => [one.title, one] as const),
  )('has weights that are exactly 0 if its paper has them: %s', (_, one) => {
    const trained = trainedVector({ name: ftrl.name, ...one.options }, one);
    for (const [s, { gradient, learningRate, weights }] of one.steps.entries()) {
      trained.step(gradient, [], s + 1, learningRate / one.options.learningRate);
      expect(trained.weights().map((weight) => weight === 0)).toEqual(weights.map((weight) => weight === 0));
    }
  });
});
