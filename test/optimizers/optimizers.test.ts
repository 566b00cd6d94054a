import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { denseOptimizers, embeddingOptimizerSchema, optimizers } from '../../src/optimizers/optimizers.js';
import { randomStream } from '../../src/core/random.js';
import { oddOptions, trainedTable, trainedVector, type Trained } from '../support/optimizer-host.js';

const ROWS = 4;
const WIDTH = 5;
const random = randomStream(1, 'optimizers');
const draw = (): number[] => Array.from({ length: ROWS * WIDTH }, () => random.normal());
const initial = draw();
const gradients = Array.from({ length: 6 }, draw);
const touchedIn = (step: number): number[] => [0, 1, 2, 3].filter((row) => row !== step % ROWS);
const forDense = optimizers.parts.filter(({ unit }) => unit !== 'row');

/** Both ways to train by an optimizer, as far as it has them. */
const WAYS: readonly (readonly [string, readonly (typeof optimizers.parts)[number][], (options: object) => Trained])[] =
  [
    ['dense weights', forDense, (options) => trainedVector(options, { initial, width: WIDTH })],
    ['lazy tables', optimizers.parts, (options) => trainedTable({ ...options, lazy: true }, { initial, width: WIDTH })],
    [
      'tables that are not lazy',
      optimizers.parts,
      (options) => trainedTable({ ...options, lazy: false }, { initial, width: WIDTH }),
    ],
  ];

const stepAt = (trained: Trained, step: number): boolean => trained.step(gradients[step]!, touchedIn(step), step + 1);
function steps(trained: Trained, begin: number, end: number): Trained {
  for (let step = begin; step < end; step++) expect(stepAt(trained, step)).toBe(true);
  return trained;
}
const held = (trained: Trained): object => ({ weights: trained.weights(), slots: trained.slots() });

/** An option's other values, each with one number of it changed. */
function changesOf(value: unknown): readonly unknown[] {
  if (typeof value === 'boolean') return [!value];
  if (Array.isArray(value)) return value.map((_, i): readonly unknown[] => (value as readonly unknown[]).with(i, 0.3));
  return [0.3];
}

for (const [way, parts, create] of WAYS) {
  describe.each(parts.map(({ name }) => name))(`%s, on ${way}`, (name) => {
    const odd = oddOptions(name, 0.1);

    it.each(
      Object.entries(odd)
        .filter(([key]) => key !== 'name')
        .flatMap(([key, value]) => changesOf(value).map((other) => [key, other] as const)),
    )('follows its option %s: %j', (key, other) => {
      expect(steps(create({ ...odd, [key]: other }), 0, 4).weights()).not.toEqual(steps(create(odd), 0, 4).weights());
    });

    it('starts every slot at its first value', () => {
      const { slots } = optimizers.build(optimizers.schema.parse(odd));
      const firsts = Object.entries(create(odd).slots()).map(([slot, values]) => [slot, [...new Set(values)]]);
      expect(firsts).toEqual(slots.map(({ name: slot, first }) => [slot, [Math.fround(first)]]));
    });

    it.each([NaN, Infinity, 1e30])('changes nothing in a step that has a gradient of %d', (bad) => {
      const trained = steps(create(odd), 0, 2);
      const before = held(trained);
      expect(trained.step(gradients[2]!.with(WIDTH + 1, bad), touchedIn(2), 3)).toBe(false);
      expect(held(trained)).toEqual(before);
      expect(held(steps(trained, 2, 4))).toEqual(held(steps(create(odd), 0, 4)));
    });

    it('goes on from what was saved', () => {
      const [through, saved, resumed] = [steps(create(odd), 0, 6), steps(create(odd), 0, 3), create(odd)];
      resumed.host.store.restore(saved.host.store.state(3));
      expect(held(steps(resumed, 3, 6))).toEqual(held(through));
    });

    it('leaves every weight at a learning rate of 0', () => {
      const trained = steps(create(odd), 0, 2);
      const before = trained.weights();
      trained.step(gradients[2]!, touchedIn(2), 3, 0);
      expect(trained.weights()).toEqual(before);
    });
  });
}

describe('an optimizer by rows', () => {
  it.each(optimizers.parts.filter(({ unit }) => unit === 'row').map((part) => [part.name, part] as const))(
    'is refused for dense weights, with one that works there: %s',
    (name, { denseInstead }) => {
      expect(forDense.map((part) => part.name as string)).toContain(denseInstead);
      expect(denseOptimizers.schema.safeParse({ name }).error!.issues).toMatchObject([
        {
          path: ['name'],
          message: `'${name}' works by the rows of tables, which dense weights have none of; take '${denseInstead}'`,
        },
      ]);
      expect(embeddingOptimizerSchema.parse({ name })).toMatchObject({ name, lazy: true });
    },
  );
});

describe('options that do not go together', () => {
  it.each([
    [{ name: 'sgd', nesterov: true }, 'nesterov', 'needs a momentum'],
    [{ name: 'ftrl', beta: 0 }, 'beta', 'expected more than 0 where initialAccumulator is 0'],
    [{ name: 'adam', epsilon: 1e-50 }, 'epsilon', 'Too small'],
  ])('are refused: %j', (options, key, message) => {
    expect(optimizers.schema.safeParse(options).error!.issues).toMatchObject([
      { path: [key], message: expect.stringContaining(message) as string },
    ]);
  });
});

describe('docs/reference/optimizers.md', () => {
  const section = /## Optimizers\n([^]*?)\n## /.exec(readFileSync('docs/reference/optimizers.md', 'utf8'))![1]!;
  const examples = [...section.matchAll(/^((?:dense|embeddings): \{ name: .*)$/gm)].map(([, line]) => line!);

  it.each(examples)('has an example that is read: %s', (line) => {
    const { dense, embeddings } = parse(line) as { dense?: object; embeddings?: object };
    const parsed =
      dense === undefined ? embeddingOptimizerSchema.parse(embeddings) : denseOptimizers.schema.parse(dense);
    expect(parsed).toEqual(dense ?? embeddings);
  });

  it('has an example of every optimizer, in all its options, and a row of the table', () => {
    for (const { name } of optimizers.parts) {
      expect(examples.filter((line) => line.includes(`name: ${name},`))).toHaveLength(1);
      expect(section).toContain(`| \`${name}\` |`);
    }
  });
});
