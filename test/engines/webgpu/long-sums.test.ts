/** @module-tag long */
import { mapsOf, withMaps } from '../../support/batches.js';
import { describe, expect, it } from 'vitest';
import type { Batch } from '../../../src/core/batch.js';
import { numericBatch, planOf } from '../../support/graph-plan.js';
import { createTestEngine, gpu } from '../../support/webgpu.js';

const [ROWS, INPUTS] = [64, 2048];
/** Outputs of a product with tiles, and of one without. */
const [WIDE, NARROW] = [24, 1];

const plan = planOf(INPUTS, (g, x, y) => {
  const [wide, narrow] = [g.slice(g.linear(x, WIDE, 'wide'), WIDE - 1, 1), g.linear(x, NARROW, 'narrow')];
  return {
    terms: [{ name: 'y', weight: 1, loss: g.binaryCrossEntropy(g.add(wide, narrow), y) }],
    predictions: { wide, narrow },
  };
});

/** All of one sign, so that each sum grows monotonically. */
function positiveBatch(): Batch {
  const batch = numericBatch(ROWS, INPUTS);
  return withMaps(batch, {
    numbers: new Map([...mapsOf(batch).numbers].map(([name, values]) => [name, values.map(Math.abs)])),
  });
}

describe.skipIf(gpu === undefined)('long products on WebGPU', () => {
  it('are summed in blocks, closer to double precision than sequential sums', async () => {
    const program = createTestEngine().compile(plan);
    const weights = new Map(
      [...program.state().weights].map(([name, { shape, data }]) => [
        name,
        { shape, data: data.map((value) => (name.endsWith('.bias') ? 0 : Math.abs(value))) },
      ]),
    );
    program.restore({ step: 0, weights, optimizer: new Map() });
    const batch = positiveBatch();
    const columns = [...mapsOf(batch).numbers.values()];
    const predictions = await program.predict(batch);
    for (const [name, outputs] of [
      ['wide', WIDE],
      ['narrow', NARROW],
    ] as const) {
      const { shape, data } = weights.get(`${name}.weight`)!;
      expect(shape).toEqual([INPUTS, outputs]);
      const [squares, serialSquares] = [0, 0].map(() => ({ sum: 0 }));
      for (let row = 0; row < ROWS; row++) {
        let [exact, serial] = [0, 0];
        for (let k = 0; k < INPUTS; k++) {
          const [x, w] = [columns[k]![row]!, data[k * outputs + outputs - 1]!];
          exact += x * w;
          serial = Math.fround(serial + Math.fround(x * w));
        }
        squares!.sum += (predictions.get(name)![row]! / exact - 1) ** 2;
        serialSquares!.sum += (serial / exact - 1) ** 2;
      }
      expect(Math.sqrt(squares!.sum / serialSquares!.sum), `${name}: error to that of a serial sum`).toBeLessThan(0.5);
    }
    program.dispose();
  });
});
