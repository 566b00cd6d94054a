/** @module-tag long */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { report } from '../../src/report.js';
import { readEvents } from '../../src/runs/run-list.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

let world: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-label-leaks-'));
  await smallWorld(world);
  // A column that is written when somebody clicks.
  for (const split of ['train', 'valid', 'test']) {
    const path = join(world, `${split}.csv`);
    const [head, ...lines] = readFileSync(path, 'utf8').trimEnd().split('\n');
    const click = head!.split(',').indexOf('click');
    const secondsOf = (line: string, i: number): number => (line.split(',')[click] === '1' ? 5 + (i % 40) : 0);
    const extended = lines.map((line, i) => `${line},${secondsOf(line, i)}\n`);
    writeFileSync(path, `${head!},seconds_on_page\n${extended.join('')}`);
  }
}, 60_000);
afterAll(() => rmSync(world, { recursive: true, force: true }));

describe('a run with label leakage', () => {
  const train = async (run: string, fields: string): Promise<readonly string[]> => {
    const notices: string[] = [];
    await trainSmall(join(world, 'esmm.yaml'), {
      runDir: join(world, run),
      set: [
        `features.more={ type: numeric, fields: [${fields}] }`,
        'training.epochs=15',
        'training.earlyStopping=null',
        'training.optimizer.dense.learningRate=0.02',
      ],
      on: { onWarning: (text) => notices.push(text) },
    });
    return notices.filter((notice) => notice.includes('implausibly'));
  };

  it('ends with a warning that names the field, also in log.jsonl and in the report', async () => {
    const [warning, ...others] = await train('leaky', 'seconds_on_page');
    expect([warning, others]).toEqual([
      expect.stringMatching(
        /^test AUC of ctr (0\.9|1\.0)\d+.* is implausibly high: field 'seconds_on_page' alone predicts ctr with an AUC of (0\.9[89]|1\.0)\d+/,
      ),
      [],
    ]);
    expect(warning).not.toContain("field '205'");
    expect(
      readEvents(join(world, 'leaky'))
        .filter(({ event }) => event === 'warning')
        .map(({ text }) => text),
    ).toContain(warning);
    const page = readFileSync(await report({ runs: [join(world, 'leaky')], out: join(world, 'leaky.html') }), 'utf8');
    expect(page).toContain('<h2>Warnings</h2>');
    expect(page).toContain('implausibly high: field');
  });

  it('ends without a warning if there is none', async () => {
    expect(await train('sound', 'D853')).toEqual([]);
  });
});
