/** @module-tag long */
import { describe, expect, it } from 'vitest';
import { BEGIN } from '../../src/engines/cpu/begin.js';
import { expectRefusals, expectSameBytes, memoryOf, nativeOn } from '../support/native-battery.js';
import { ADDON } from '../support/native.js';
import { computeRows, PAGES, rowShapes } from '../support/row-battery.js';

describe.each(ADDON.families)('native row kernels for %s', (family) => {
  it(
    'leave memory bitwise identical to WebAssembly, for every rule, any shape and number of workers',
    { timeout: 120_000 },
    () => {
      expectSameBytes(family, PAGES, rowShapes, 300, computeRows);
    },
  );

  it('reject exactly the gradients whose square is not finite, as WebAssembly does', () => {
    expectRefusals(family, PAGES, (kernels, { buffer }, largest) => {
      const [words, floats] = [new Uint32Array(buffer), new Float32Array(buffer)];
      const [ids, d, hash, distinct, gradients, claim, countAt, fresh] = Array.from(
        { length: 8 },
        (_, i) => BEGIN + (i + 1) * 16_384,
      ) as [number, number, number, number, number, number, number, number];
      words.set([0, 0, 100], countAt / 4);
      words[fresh / 4] = 1;
      for (let b = 0; b < 100; b++) words[ids / 4 + b] = b;
      floats[d / 4 + 5 * 99 + 4] = largest;
      kernels.gatherGradients(claim, ids, d, 5, 5, hash, distinct, gradients, 1, 0, countAt, 100, 1, fresh, 0);
      kernels.refuseUnlessFinite(BEGIN);
    });
  });

  it('fail if an id is not below the size of the table, or more rows are distinct than allowed', () => {
    const memory = memoryOf(PAGES);
    const kernels = nativeOn(memory, family);
    kernels.join(0, 1, 0);
    const words = new Uint32Array(memory.buffer);
    const [ids, table, y] = [BEGIN, BEGIN + 65_536, BEGIN + 131_072];
    const look = (): void => kernels.lookup(ids, table, 50, 8, 8, y, 8, 100);
    expect(look).not.toThrow();
    for (const id of [50, 0xffffffff]) {
      words[ids / 4 + 99] = id;
      expect(look).toThrow('a kernel failed');
    }
    const [bag, offsets] = [y + 65_536, y + 66_000];
    words.set([ids, ids], bag / 4);
    for (let b = 0; b <= 100; b++) words[offsets / 4 + b] = b;
    expect(() => kernels.lookupBags(bag, offsets, table, 50, 8, 8, y, 8, 99)).not.toThrow();
    expect(() => kernels.lookupBags(bag, offsets, table, 50, 8, 8, y, 8, 100)).toThrow('a kernel failed');
    for (let b = 0; b < 100; b++) words[ids / 4 + b] = b;
    const [hash, distinct, gradients, countAt, fresh] = [y, y + 4096, y + 8192, y + 70_000, y + 70_064];
    words.set([0, 0, 99], countAt / 4);
    words[fresh / 4] = 1;
    expect(() =>
      kernels.gatherGradients(y + 71_000, ids, table, 8, 8, hash, distinct, gradients, 1, 0, countAt, 100, 1, fresh, 0),
    ).toThrow('a kernel failed');
  });
});
