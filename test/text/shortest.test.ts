import { expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { MAX_SHORTEST_BYTES, shortestDecimal, writeShortest } from '../../src/text/float-text.js';

const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

/** Returns floats of every exponent that are finite, and those at the limits of the fast path. */
function listFloats(): readonly number[] {
  const random = randomStream(5, 'floats');
  const drawn = Array.from({ length: 20_000 }, (_, i) => {
    // Exponents of 10^-8 to 10^8, and then all.
    const exponent = i % 2 === 0 ? 100 + random.below(54) : random.below(255);
    bits[0] = ((i % 4 < 2 ? exponent : exponent + 256) << 23) | random.below(2 ** 23);
    return floats[0]!;
  });
  const limits = [0, 1, -3, 0.5, 0.1, 1e-6, 2e-6, 1e-7, 2 ** -20, 2 ** 24 - 1, 2 ** 24, 2 ** 23 - 0.5, 3.4e38, 1e-45];
  return [...drawn, ...limits, ...limits.map((value) => -value)].map(Math.fround);
}

it('writes the text of the shortest decimal, which is read as the float', () => {
  const bytes = new Uint8Array(2 * MAX_SHORTEST_BYTES);
  for (const float of listFloats()) {
    const end = writeShortest(float, bytes, 3);
    const text = Buffer.from(bytes.subarray(3, end)).toString();
    expect(text).toBe(String(shortestDecimal(float)));
    expect(end - 3).toBeLessThanOrEqual(MAX_SHORTEST_BYTES);
    const written = Number(text);
    // Half a step below a power of two, the decimal is nearer to the next float.
    bits[0] = 0;
    floats[0] = float;
    const isPower = (bits[0] & 0x7fffff) === 0;
    if (!isPower) expect(Math.fround(written)).toBe(float === 0 ? 0 : float);
  }
});

it('has as few digits as toPrecision requires', () => {
  for (const float of [0.1, 0.25, 0.017384, 0.99999994, 1.5, 123456.79, 8388607.5].map(Math.fround)) {
    const digits = Array.from({ length: 9 }, (_, i) => Number(float.toPrecision(i + 1)));
    expect(shortestDecimal(float)).toBe(digits.find((decimal) => Math.fround(decimal) === float));
  }
});
