/** @module-tag long */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { loadModel } from '../../src/index.js';
import { pointLink } from '../../src/io/links.js';
import { readChain } from '../../src/runs/delta.js';
import { listCheckpoints } from '../../src/runs/retention.js';
import { follow, RECORDS, writeCountedStream } from '../support/counted-stream.js';
import { scratchFolder } from '../support/scratch.js';
import { serverOfTest } from '../support/served.js';

it('answers with the counters of each delta of a training on a stream', { timeout: 120_000 }, async () => {
  const folder = scratchFolder();
  const trained = join(folder, 'trained');
  const config = writeCountedStream(folder, RECORDS.slice(0, 1400));
  await follow(config, trained, { set: ['checkpoints.keepLast=100', 'checkpoints.everySteps=1000'] });
  const names = (await listCheckpoints(trained)).toReversed();
  const rows = Array.from({ length: 15 }, (_, i) => ({ user: `u${i}`, item: `i${i}`, at: 720 }));
  const run = join(folder, 'run');
  const publish = async (name: string): Promise<void> => {
    cpSync(join(trained, 'checkpoints', name), join(run, 'checkpoints', name), { recursive: true });
    await pointLink(join(run, 'checkpoints', 'last'), name);
  };
  await publish(names[0]!);
  const server = await serverOfTest({ paths: [run], isLast: true, reloadMs: 20, workers: 2 });
  let deltas = 0;
  for (const name of names) {
    await publish(name);
    const path = join(trained, 'checkpoints', name);
    if ((await readChain(path)).deltas.length > 0) deltas++;
    const model = await loadModel(path);
    const { ctr } = model.predict(rows);
    model.dispose();
    const expected = Array.from(ctr!);
    const ask = async (): Promise<readonly number[]> => {
      const response = await server.app.inject({ method: 'POST', url: '/predict', payload: JSON.stringify({ rows }) });
      const { predictions } = response.json<{ readonly predictions: readonly { readonly ctr: number }[] }>();
      return predictions.map((each) => Math.fround(each.ctr));
    };
    while (server.models[0]!.version !== String(Number(/\d+/.exec(name)![0]))) await wait(5);
    expect(await ask()).toEqual(expected);
  }
  expect(deltas).toBeGreaterThan(2);
});
