/** @module-tag long */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kernels } from '../../src/engines/cpu/kernels.js';
import { randomStream } from '../../src/core/random.js';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import { expectRefusals, expectSameBytes } from '../support/native-battery.js';
import { ADDON } from '../support/native.js';

const PAGES = 60;

/** Two norms that share a phase, and the number of workers. */
const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 300 }),
  columns: fc
    .tuple(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 12 }))
    .map((fours) => fours.map((four) => 4 * four)),
  gap: fc.integer({ min: 0, max: 3 }),
  threads: fc.integer({ min: 1, max: 5 }),
  momentum: fc.constantFrom(0, 0.1),
  accumulate: fc.integer({ min: 0, max: 1 }),
  /** None, ReLU or leaky ReLU. */
  activation: fc.integer({ min: 0, max: 2 }),
  seed: fc.nat(1000),
});
type Shape = typeof shapes extends fc.Arbitrary<infer Value> ? Value : never;

/** Runs norms and their gradients for every worker in sequence; the first word marks a skipped step. */
function compute(
  kernels: Kernels,
  { buffer }: WebAssembly.Memory,
  { rows, columns, gap, threads, momentum, accumulate, activation, seed }: Shape,
): void {
  const random = randomStream(seed, 'norms');
  const floats = new Float32Array(buffer);
  floats.fill(NaN, BEGIN / 4);
  floats[BEGIN / 4] = 0;
  let end = BEGIN + 64;
  const place = (words: number, value: () => number = () => NaN): number => {
    const at = end;
    end += Math.ceil(words / 16) * 64;
    for (let i = 0; i < words; i++) floats[at / 4 + i] = value();
    return at;
  };
  const drawn = (): number => random.uniform() - 0.3;
  const lines = columns.map((count) => Math.ceil(count / 16));
  const slots = lines.reduce((sum, count) => sum + count, 0);
  const norms = columns.map((count, i) => {
    const ld = count + 4 * gap;
    const vector = (): number => place(count, drawn);
    return {
      count,
      ld,
      slot: i === 0 ? 0 : lines[0]!,
      x: place(rows * ld, drawn),
      y: place(rows * ld),
      dy: place(rows * ld, drawn),
      dx: place(rows * ld, drawn),
      gain: vector(),
      shift: vector(),
      dgain: vector(),
      dshift: vector(),
      running: place(2 * count, random.uniform),
      statistics: place(6 * count),
    };
  });
  expect(end).toBeLessThanOrEqual(PAGES * 65_536);
  for (let self = 0; self < threads; self++) {
    kernels.join(self, threads, 0);
    for (const { count, ld, slot, x, y, gain, shift, running, statistics } of norms)
      kernels.normalize(
        x,
        ld,
        y,
        ld,
        gain,
        shift,
        running,
        statistics,
        rows,
        count,
        1e-5,
        momentum,
        activation,
        slot,
        slots,
      );
  }
  for (let self = 0; self < threads; self++) {
    kernels.join(self, threads, 0);
    for (const { count, ld, slot, x, dy, gain, shift, statistics, dx, dgain, dshift } of norms)
      kernels.normalizeGradient(
        x,
        ld,
        dy,
        ld,
        gain,
        shift,
        statistics,
        dx,
        dgain,
        dshift,
        rows,
        count,
        accumulate,
        activation,
        slot,
        slots,
      );
    kernels.refuseUnlessFinite(BEGIN);
  }
}

describe.each(ADDON.families)('native batch norms for %s', (family) => {
  it('leave memory bitwise identical to WebAssembly, for any shape and number of workers', () => {
    expectSameBytes(family, PAGES, shapes, 60, compute);
  });

  it('reject exactly the gradients whose square is not finite, as WebAssembly does', () => {
    expectRefusals(family, PAGES, (kernels, { buffer }, largest) => {
      const floats = new Float32Array(buffer);
      const [rows, columns, begin] = [40, 20, BEGIN / 4 + 64];
      floats.fill(1, begin, begin + 4 * rows * columns);
      floats[begin + rows * columns + 13] = largest;
      const at = (matrix: number): number => 4 * (begin + matrix * rows * columns);
      kernels.normalizeGradient(
        at(0),
        columns,
        at(1),
        columns,
        at(2),
        at(2),
        at(2) + 128,
        at(3),
        at(4),
        at(4) + 128,
        rows,
        columns,
        0,
        0,
        0,
        2,
      );
      kernels.refuseUnlessFinite(BEGIN);
    });
  });
});
