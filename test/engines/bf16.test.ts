/** @module-tag long */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchesOf, planOf, type Workload } from '../../bench/workloads.js';
import type { Plan } from '../../src/engines/engine.js';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Kernels } from '../../src/engines/cpu/kernels.js';
import { loadKernels } from '../../src/engines/cpu/load-kernels.js';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import { createMemory, instantiateNative, instantiateWasm, PAGE_BYTES } from '../../src/engines/cpu/module.js';
import { ADDON } from '../support/native.js';

const WASM = loadKernels(true, 'wasm');
const PAGES = 24;
const HEAP = BEGIN;
const memoryOf = (): WebAssembly.Memory => createMemory(BEGIN + PAGES * PAGE_BYTES);

/** All forms of the kernels on this machine. */
const FORMS: readonly {
  readonly name: string;
  readonly on: (memory: WebAssembly.Memory) => Kernels;
}[] = [
  { name: 'in WebAssembly', on: (memory) => instantiateWasm(WASM.module, memory).kernels },
  {
    name: 'in WebAssembly without fused operations',
    on: (memory) => instantiateWasm(loadKernels(false).module, memory).kernels,
  },
  ...ADDON.families.map((family) => ({
    name: `native for ${family}`,
    on: (memory: WebAssembly.Memory) => instantiateNative({ path: ADDON.path, family }, memory).kernels,
  })),
];

/** Rounds to 8 significant bits, ties to even, with double-precision arithmetic; values below 2^-56 become 0. */
function rounded(x: number): number {
  if (!(Math.abs(x) >= 2 ** -56)) return Number.isNaN(x) ? x : 0;
  const unit = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 7);
  const [below, rest] = [Math.floor(x / unit), x / unit - Math.floor(x / unit)];
  return (rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below) * unit;
}

/**
 * Adds products to `sum`, pair by pair, the second of a pair first. Both addends are single precision, so that rounding
 * them twice equals rounding once.
 */
function sumOf(sum: number, count: number, product: (n: number) => number): number {
  for (let n = 0; n < count; n += 2) {
    if (n + 1 < count) sum = Math.fround(sum + product(n + 1));
    sum = Math.fround(sum + product(n));
  }
  return sum;
}

/** Numbers of many magnitudes, including ties between two values of 8 bits, and some that count as 0. */
const number = fc.oneof(
  { weight: 6, arbitrary: fc.float({ min: -2, max: 2, noNaN: true }) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.integer({ min: -512, max: 512 }), fc.integer({ min: -30, max: 20 }))
      .map(([m, e]) => Math.fround(m * 2 ** e)),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      0,
      -0,
      2 ** -56,
      Math.fround(2 ** -56 * (1 - 2 ** -24)),
      1e-20,
      -1e-40,
      2 ** 40,
      1 + 2 ** -8,
      1 + 3 * 2 ** -8,
      1 + 2 ** -8 + 2 ** -20,
    ),
  },
);
const shapes = fc.record({
  rows: fc.integer({ min: 1, max: 270 }),
  inputs: fc.integer({ min: 1, max: 40 }),
  panels: fc.integer({ min: 1, max: 7 }),
  gap: fc.integer({ min: 0, max: 5 }),
  threads: fc.integer({ min: 1, max: 4 }),
  accumulate: fc.integer({ min: 0, max: 1 }),
  hasBias: fc.boolean(),
  numbers: fc.array(number, { minLength: 1, maxLength: 97 }),
});

describe.each(FORMS)('products in bfloat16, $name', ({ on }) => {
  it('match the documented sums for any shape and number of workers', () => {
    const memory = memoryOf();
    const kernels = on(memory);
    const floats = new Float32Array(memory.buffer);
    fc.assert(
      fc.property(shapes, ({ rows, inputs, panels, gap, threads, accumulate, hasBias, numbers }) => {
        const [ldx, ldy, columns] = [inputs + gap, panels * 8 + gap, panels * 8];
        const x = HEAP / 4 + gap;
        const y = x + rows * ldx;
        const weights = y + rows * ldy;
        const bias = weights + inputs * columns;
        const gradient = bias + columns;
        for (let i = x, n = 0; i < gradient + inputs * columns; i++, n += 7)
          floats[i] = numbers[(n + (n >> 5)) % numbers.length]!;
        // Sums of products have at most this precision.
        for (let i = gradient; i < gradient + inputs * columns; i++) floats[i] = rounded(floats[i]!);
        const before = floats.slice(0, gradient + inputs * columns);
        const weight = (i: number, j: number): number =>
          rounded(before[weights + ((j >> 3) * inputs + i) * 8 + (j & 7)]!);
        for (let self = 0; self < threads; self++) {
          kernels.join(self, threads, 0);
          kernels.gemmBf16(
            4 * x,
            ldx,
            4 * weights,
            hasBias ? 4 * bias : 0,
            4 * y,
            ldy,
            rows,
            inputs,
            panels,
            accumulate,
          );
          kernels.gemmGradientBf16(
            4 * x,
            ldx,
            4 * weights,
            8,
            4 * gradient,
            Math.min(rows, inputs * panels),
            inputs,
            1,
            accumulate,
          );
        }
        const expected = before.slice();
        for (let b = 0; b < rows; b++) {
          for (let j = 0; j < columns; j++) {
            const sum = Math.fround(
              sumOf(0, inputs, (i) => rounded(before[x + b * ldx + i]!) * weight(i, j)) +
                (hasBias ? before[bias + j]! : 0),
            );
            expected[y + b * ldy + j] = accumulate === 1 ? Math.fround(sum + before[y + b * ldy + j]!) : sum;
          }
        }
        for (let i = 0; i < inputs; i++) {
          for (let j = 0; j < 8; j++) {
            const out = gradient + i * 8 + j;
            expected[out] = sumOf(
              accumulate === 1 ? before[out]! : 0,
              Math.min(rows, inputs * panels),
              (b) => rounded(before[x + b * ldx + i]!) * rounded(before[weights + b * 8 + j]!),
            );
          }
        }
        expect(
          Buffer.compare(
            Buffer.from(floats.buffer, 4 * x, 4 * (expected.length - x)),
            Buffer.from(expected.buffer, 4 * x),
          ),
        ).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('propagate NaN and infinity, and flag their gradients as not finite', () => {
    for (const [extreme, isRefused] of [
      [1e9, 0],
      [3e38, 1],
      [Infinity, 1],
      [NaN, 1],
    ] as const) {
      const memory = memoryOf();
      const kernels = on(memory);
      const floats = new Float32Array(memory.buffer);
      const [x, d, g, refused] = [HEAP, HEAP + 4096, HEAP + 8192, HEAP + 12_288];
      floats.fill(1, x / 4, x / 4 + 9 * 5);
      floats[d / 4 + 13] = extreme;
      kernels.join(0, 1, 0);
      kernels.gemmGradientBf16(x, 5, d, 8, g, 9, 5, 1, 0);
      kernels.refuseUnlessFinite(refused);
      expect([extreme, new Uint32Array(memory.buffer)[refused / 4]]).toEqual([extreme, isRefused]);
      expect([extreme, Number.isFinite(floats[g / 4 + 5])]).toEqual([extreme, Number.isFinite(extreme)]);
    }
  });
});

const WORK: Workload = {
  name: 'mmoe',
  batchRows: 200,
  width: 5,
  numbers: ['D0'],
  model: {
    name: 'mmoe',
    experts: { count: 3, hidden: [9], activation: 'tanh' },
    tower: { hidden: [7], activation: 'tanh' },
  },
};
const withPrecision = (precision: 'f32' | 'bf16'): Plan => ({ ...planOf(WORK, 0.002), step: { precision } });
const batches = batchesOf(WORK, 5, 0.002);

/** Returns the weights and losses after some steps. */
async function trained(plan: Plan, threads: number, choice: 'wasm' | 'auto') {
  const program = createCpuEngine(threads, true, { isPatient: true }, choice).compile(plan);
  const losses = [];
  for (const batch of batches) losses.push([...(await program.trainStep(batch)).losses]);
  const state = program.state();
  const end = {
    losses,
    weights: [...state.weights].map(([name, { data }]) => [name, data.slice()]),
    predictions: await program.predict(batches[0]!),
    state,
  };
  return { program, end };
}

describe('training in bfloat16', () => {
  it('is bitwise identical for any number of threads and any kernels, and differs from single precision', async () => {
    const ends = [];
    for (const [threads, choice] of [
      [1, 'wasm'],
      [1, 'auto'],
      [3, 'auto'],
    ] as const) {
      const {
        program,
        end: { losses, weights, predictions },
      } = await trained(withPrecision('bf16'), threads, choice);
      ends.push({ losses, weights, predictions });
      program.dispose();
    }
    expect(ends[1]).toEqual(ends[0]);
    expect(ends[2]).toEqual(ends[0]);
    const { program, end } = await trained(withPrecision('f32'), 1, 'auto');
    program.dispose();
    expect(end.losses).not.toEqual(ends[0]!.losses);
  });

  it('rounds the operands of a step, but not of predictions', async () => {
    const { program, end } = await trained(withPrecision('bf16'), 1, 'auto');
    const single = createCpuEngine().compile(withPrecision('f32'));
    single.restore(end.state);
    expect(await program.evaluate(batches[1]!)).toEqual(await single.evaluate(batches[1]!));
    const [rough, exact] = [await program.inspect(batches[1]!), await single.inspect(batches[1]!)];
    // Half a unit of 8 bits is 0.2% of an operand. If a ReLU unit changes sign, the whole gradient of its row changes,
    // so the model has none.
    const all = ({ gradients }: typeof rough): number[] => [...gradients.values()].flatMap(({ data }) => [...data]);
    const wanted = all(exact);
    const error = Math.hypot(...all(rough).map((g, i) => g - wanted[i]!)) / Math.hypot(...wanted);
    expect(error).toBeGreaterThan(1e-4);
    expect(error).toBeLessThan(0.02);
    expect(rough.losses).not.toEqual(exact.losses);
    program.dispose();
    single.dispose();
  });

  it('warns once if products are emulated', () => {
    const notices = (precision: 'f32' | 'bf16', choice: 'wasm' | 'auto'): string[] => {
      const heard: string[] = [];
      createCpuEngine(1, true, {}, choice)
        .compile(withPrecision(precision), (notice) => heard.push(notice))
        .dispose();
      return heard;
    };
    expect(notices('bf16', 'wasm')).toEqual([
      expect.stringMatching(
        /^bf16 products are emulated here, .*: native kernels are not available: WebAssembly kernels were requested$/,
      ),
    ]);
    expect(notices('bf16', 'auto')).toHaveLength(ADDON.families.includes('AVX-512-BF16') ? 0 : 1);
    expect(notices('f32', 'wasm')).toEqual([]);
  });
});
