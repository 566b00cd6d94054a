import { describe, expect, it } from 'vitest';
import { casesOf, rulesWithCases, type OptimizerCase, type OptimizerStep } from './cases.js';

const cases = rulesWithCases().flatMap(casesOf);
const titled = (some: readonly OptimizerCase[]): [string, OptimizerCase][] => some.map((one) => [one.title, one]);
const before = (one: OptimizerCase, step: number): readonly number[] =>
  step === 0 ? one.initial : one.steps[step - 1]!.weights;
const rowsOf = (values: readonly number[], { width }: OptimizerCase): number[][] =>
  Array.from({ length: values.length / width }, (_, row) => values.slice(row * width, (row + 1) * width));

describe('the reference cases of optimizers', () => {
  it.each(titled(cases))('%s: has arrays of its shape in each step', (_, one) => {
    const size = one.rows * one.width;
    expect(one.initial).toHaveLength(size);
    expect(one.steps.length).toBeGreaterThanOrEqual(20);
    for (const { gradient, weights, slots } of one.steps) {
      expect([gradient.length, weights.length]).toEqual([size, size]);
      for (const slot of Object.values(slots ?? {})) expect([size, one.rows]).toContain(slot.length);
    }
  });

  it.each(titled(cases.filter(({ kind }) => kind === 'table')))(
    '%s: has gradients only in touched rows; other rows change only if it is not lazy',
    (_, one) => {
      const moves = one.steps.flatMap(({ touched, gradient, weights }, step) =>
        rowsOf(gradient, one).flatMap((row, r) => {
          if (touched.includes(r)) return [];
          expect(row.every((g) => g === 0)).toBe(true);
          const [was, is] = [rowsOf(before(one, step), one)[r]!, rowsOf(weights, one)[r]!];
          return is.map((weight, i) => Math.abs(weight - was[i]!));
        }),
      );
      expect(Math.max(...moves) === 0).toBe(one.lazy);
    },
  );

  it('match double precision in single precision', () => {
    const twins = cases.filter(({ precision }) => precision === 'float32');
    expect(twins.length).toBeGreaterThan(10);
    for (const twin of twins) {
      const double = cases.find(({ title }) => title === twin.title.replace(' float32 ', ' float64 '))!;
      const off = (one: OptimizerStep, other: OptimizerStep): number =>
        Math.max(...one.weights.map((weight, i) => Math.abs(weight - other.weights[i]!)));
      expect(Math.max(...twin.steps.map((step, s) => off(step, double.steps[s]!))), twin.title).toBeLessThan(1e-4);
    }
  });

  it('have weights that are exactly 0 if FTRL has an l1', () => {
    const zeros = casesOf('ftrl')
      .filter(({ options }) => Number(options['l1']) > 0)
      .map(({ steps }) => steps.at(-1)!.weights.filter((weight) => weight === 0).length);
    expect(Math.min(...zeros)).toBeGreaterThan(0);
  });

  it('agree with plain SGD', () => {
    const plain = casesOf('sgd').find(
      ({ options, precision }) => precision === 'float64' && options['momentum'] === 0 && options['weightDecay'] === 0,
    )!;
    plain.steps.forEach(({ weights, gradient, learningRate }, step) => {
      weights.forEach((weight, i) =>
        expect(weight).toBeCloseTo(before(plain, step)[i]! - learningRate * gradient[i]!, 8),
      );
    });
  });
});
