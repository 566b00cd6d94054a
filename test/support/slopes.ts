import { expect } from 'vitest';
import type { Batch } from '../../src/batch.js';
import type { Program } from '../../src/engines/engine.js';

/** Compares each parameter's gradient, a few elements of it, with (loss(w + h) - loss(w - h)) / 2h. */
export async function checkGradients(program: Program, batch: Batch): Promise<void> {
  const loss = async (): Promise<number> => [...(await program.inspect(batch)).losses.values()].reduce((sum, { mean }) => sum + mean, 0);
  const { gradients } = await program.inspect(batch);
  const weights = new Map([...program.state().weights].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]));
  expect(gradients.size).toBeGreaterThan(0);
  const h = 2e-3;
  for (const [name, { data: gradient }] of gradients) {
    const data = weights.get(name)!.data;
    const scale = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-2);
    for (let i = 0; i < data.length; i += Math.max(1, Math.floor(data.length / 7))) {
      const saved = data[i]!;
      const lossWith = async (value: number): Promise<number> => {
        data[i] = value;
        program.restore({ step: 0, weights, optimizer: new Map() });
        return loss();
      };
      const up = await lossWith(saved + h);
      const down = await lossWith(saved - h);
      data[i] = saved;
      program.restore({ step: 0, weights, optimizer: new Map() });
      expect(Math.abs((up - down) / (2 * h) - gradient[i]!), `${name}[${i}]`).toBeLessThan(5e-3 * scale + 2e-4);
    }
  }
}
