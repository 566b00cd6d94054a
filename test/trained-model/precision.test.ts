import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCpuEngine } from '../../src/engines/cpu/engine.js';
import type { Precision } from '../../src/engines/precision.js';
import { loadModel, UserError, type Model, type Row } from '../../src/index.js';
import { compileTrained, readTrainedModel } from '../../src/trained-model/trained-model.js';
import { servedWorld, startServer } from '../support/served.js';
import { batchOf, planWith } from '../support/sequences.js';
import { createTfjsEngine } from '../support/tfjs.js';

describe('predictions in bf16', () => {
  it('are those of a training step in bf16, whose products are tested by themselves', async () => {
    const plan = planWith((g, _, items) => g.segmentPool(g.linear(items, 5, 'items'), 'sum'));
    const predictIn = async (predictionPrecision: Precision): Promise<Float32Array> => {
      const program = createCpuEngine().compile({ ...plan, predictionPrecision });
      return (await program.predict(batchOf(50, 1))).get('p')!.slice();
    };
    const trained = createCpuEngine().compile({ ...plan, step: { precision: 'bf16' } });
    const { predictions } = await trained.inspect(batchOf(50, 1));
    expect(await predictIn('bf16')).toEqual(predictions.get('p'));
    expect(await predictIn('f32')).not.toEqual(predictions.get('p'));
  });
});

describe('a trained model in bf16', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-precision-'));
  const run = join(folder, 'run');
  let rows: Row[];
  let single: Model;
  let half: Model;
  beforeAll(async () => {
    ({ rows } = await servedWorld(folder));
    single = await loadModel(run);
    half = await loadModel(run, { precision: 'bf16' });
  });
  afterAll(() => {
    single.dispose();
    half.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it('predicts what single precision does, except for 8 significant bits', () => {
    const [exact, rounded] = [single.predict(rows), half.predict(rows)];
    for (const [output, values] of Object.entries(exact)) {
      const differences = values.map((value, row) => Math.abs(rounded[output]![row]! - value));
      expect(Math.max(...differences), output).toBeLessThan(0.01);
      expect(Math.max(...differences), output).toBeGreaterThan(1e-6);
    }
  });

  it('ranks candidates as it predicts whole rows', () => {
    const user = { 101: rows[0]!['101'], 121: rows[0]!['121'] };
    const isOfItem = ([column]: readonly [string, unknown]): boolean => !(column in user);
    const candidates = rows.map((row) => Object.fromEntries(Object.entries(row).filter(isOfItem)));
    const whole = half.predict(candidates.map((each) => ({ ...each, ...user })));
    const ranked = half.rank(user, candidates);
    for (const [output, values] of Object.entries(whole))
      for (const [row, value] of values.entries())
        expect(Math.abs(ranked[output]![row]! - value), `${output} ${row}`).toBeLessThan(1e-5);
  });

  it('is served with the same predictions', async () => {
    const server = await startServer({ paths: [run], precision: 'bf16' });
    const { body } = await server.app.inject({ method: 'POST', url: '/predict', payload: { rows: rows.slice(0, 20) } });
    const { predictions } = JSON.parse(body) as { predictions: readonly Readonly<Record<string, number>>[] };
    const expected = Object.entries(half.predict(rows.slice(0, 20)));
    expect(
      predictions.map((each) => Object.entries(each).map(([output, value]) => [output, Math.fround(value)])),
    ).toEqual(Array.from({ length: 20 }, (_, row) => expected.map(([output, values]) => [output, values[row]!])));
  });

  it('is refused by an engine that lacks it', async () => {
    const [model, engine] = [await readTrainedModel(run), await createTfjsEngine()];
    expect(() => compileTrained(model, engine, () => undefined, { precision: 'bf16' })).toThrow(UserError);
    expect(() => compileTrained(model, engine, () => undefined, { precision: 'bf16' })).toThrow(
      /precision bf16: predictions in it are not supported by .*; use f32/,
    );
  });
});
