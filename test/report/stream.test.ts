import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { drawRecorded } from '../../src/report.js';
import { scratchFolder } from '../support/scratch.js';

/** Writes a run on a stream with some windows. */
function writeRun(folder: string, numWindows: number): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.source.yaml'), '');
  for (let window = 1; window <= numWindows; window++) {
    const metrics = { ctr: { rows: 100, positives: 20, auc: 0.6 + window / 100, logLoss: 0.5 } };
    const counts = { records: 110, rejected: 10, outOfOrder: 0, late: 0 };
    const lag = { amount: 1000 - window, unit: 'records' };
    const alarms = window === 2 ? ['ctr.auc dropped <b>'] : [];
    const tokens = { rows: 40 + window, pending: 7, admitted: 5, expired: 2, evicted: 3, dropped: 1 };
    const vocabularies = { town: { ...tokens, occurrences: 100, outOfVocabulary: 25 } };
    const drift = { town: 0.01 * window, price: 0 };
    const place = { window, step: 5 * window, rows: 100, elapsedMs: 100 * window };
    const line = { ...place, ...counts, lag, drift, alarms, vocabularies };
    appendFileSync(join(folder, 'metrics.jsonl'), `${JSON.stringify({ ...line, progressive: { metrics } })}\n`);
  }
}

it('draws the windows of a stream, with its speed and alarms', () => {
  const [a, b] = [join(scratchFolder(), 'a'), join(scratchFolder(), 'b')];
  writeRun(a, 3);
  writeRun(b, 4);
  const of = (folders: readonly string[]): string =>
    drawRecorded(folders).sections.find(({ title }) => title === 'Stream')!.body.markup;
  const one = of([a]);
  for (const text of ['auc, before training', 'records per second', 'left to read', 'invalid and late records'])
    expect(one).toContain(text);
  expect(one).toContain('drift of fields');
  for (const title of ['number of tokens', 'changes of tokens by window', 'share of occurrences out of vocabulary'])
    expect(one).toContain(`town: ${title}`);
  for (const name of ['with a row', 'only counted', 'admitted', 'expired', 'evicted', 'dropped'])
    expect(one).toContain(name);
  // 110 records in 100 ms: 1,100 per second on an axis to 1,200.
  expect(one).toContain('>1,200<');
  expect(one).toMatch(/d="M67\.5,21\.9L/);
  expect(one).toContain('<p class="alert">1 alarm, the newest first</p>');
  expect(one).toContain('window 2, step 10: ctr.auc dropped &lt;b&gt;');
  expect(of([a, b])).toMatch(/a, window 2, step 10/);
  writeFileSync(join(a, 'metrics.jsonl'), '');
  expect(drawRecorded([a]).sections.map(({ title }) => title)).not.toContain('Stream');
});
