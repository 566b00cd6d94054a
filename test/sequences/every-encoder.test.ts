/** @module-tag long */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importance } from '../../src/importance.js';
import { loadModel, type Model, type Row } from '../../src/index.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { encoders } from '../../src/sequences/encoders.js';
import { logRows, trainLog } from '../support/click-log.js';
import { expectExported } from '../support/exported-run.js';
import { startServer } from '../support/served.js';
import { trainSmall } from '../support/small-run.js';

const CANDIDATE = ['item', 'cate', 'price'];
const rows = logRows('test', 40);
const signal = new AbortController().signal;
const onWarning = (): void => undefined;

/** Selects columns of the candidate, or all others. */
const select = (row: Row, isOfCandidate: boolean): Row =>
  Object.fromEntries(Object.entries(row).filter(([column]) => CANDIDATE.includes(column) === isOfCandidate));

describe.each(encoders.names)('a trained model with the encoder %s', (name) => {
  let [folder, run] = ['', ''];
  let model: Model;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mtl-encoder-'));
    run = await trainLog(folder, { set: [`features.clicks.encoder=${name}`] });
    model = await loadModel(run);
  });
  afterAll(() => {
    model.dispose();
    rmSync(folder, { recursive: true, force: true });
  });

  it('reads histories, and ranks candidates as it predicts whole rows', () => {
    const candidates = rows.map((row) => select(row, true));
    for (const row of [5, 6, 7]) {
      const user = select(rows[row]!, false);
      const expected = model.predict(candidates.map((each) => ({ ...user, ...each })))['ctr']!;
      const found = model.rank(user, candidates)['ctr']!;
      for (const [i, p] of expected.entries()) expect(Math.abs(found[i]! - p)).toBeLessThan(1e-6);
      const without = { hist_item: '', hist_cate: '', hist_price: '', hist_time: '' };
      expect(model.rank({ ...user, ...without }, candidates)['ctr']).not.toEqual(found);
    }
  });

  it('serves the predictions of the library', async () => {
    const server = await startServer({ paths: [run] });
    try {
      const response = await server.app.inject({ method: 'POST', url: '/predict', payload: { rows } });
      const { predictions } = JSON.parse(response.body) as { predictions: readonly { readonly ctcvr: number }[] };
      expect(predictions.map(({ ctcvr }) => Math.fround(ctcvr))).toEqual([...model.predict(rows)['ctcvr']!]);
    } finally {
      await server.drain();
    }
  });

  it('is exported as ONNX with the same predictions', () => expectExported(run, join(folder, 'model.onnx')));

  it('is permuted as a whole by importance', async () => {
    const options = { rows: 300, repeats: 1, seed: 1, byGroup: false, device: 'cpu', threads: 1 } as const;
    const { importances } = await importance({ path: run, ...options, onWarning, signal });
    expect(importances.map(({ name: field }) => field).sort()).toEqual(['cate', 'clicks', 'item', 'price', 'user']);
  });

  it('starts another run with all its weights', async () => {
    const runDir = join(folder, 'warm');
    const rates = ['dense', 'embeddings'].map((part) => `training.optimizer.${part}.learningRate=1e-10`);
    await trainSmall(join(folder, 'log.yaml'), {
      runDir,
      set: [`features.clicks.encoder=${name}`, `initFrom.checkpoint=${run}`, ...rates],
    });
    const [before, after] = await Promise.all(
      [run, runDir].map((each) => readCheckpoint(join(each, 'checkpoints', 'best'), { withOptimizer: true })),
    );
    for (const [tensor, { data }] of before!.program.weights)
      if (!tensor.includes('running'))
        for (const [i, value] of after!.program.weights.get(tensor)!.data.entries())
          expect(value, tensor).toBeCloseTo(data[i]!, 5);
  });
});
