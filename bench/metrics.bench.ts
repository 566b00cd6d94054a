// Metrics of an evaluation the size of Ali-CCP's test set: 43 million rows, every space at once, with time and peak memory (20 seconds).
import { it } from 'vitest';
import type { Batch } from '../src/batch.js';
import { auc } from '../src/evaluation/auc.js';
import { createCollector } from '../src/evaluation/evaluation.js';
import { scoresOf, spacesOf } from '../src/evaluation/spaces.js';
import { randomStream } from '../src/random.js';
import { taskOptions } from '../src/tasks.js';
import { count, printTable, saveResults } from './results.js';

const ROWS = 43_000_000;
const BATCH_ROWS = 4096;

it('metrics', () => {
  const spaces = spacesOf([{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }, { name: 'cvr', ...taskOptions.parse({ label: 'purchase', given: 'click' }) }]);
  const collector = createCollector(spaces);
  const random = randomStream(0, 'metrics');
  const column = (): Float32Array => new Float32Array(BATCH_ROWS);
  const [click, purchase, ctr, cvr] = [column(), column(), column(), column()];
  let addMs = 0;
  for (let begin = 0; begin < ROWS; begin += BATCH_ROWS) {
    const rows = Math.min(BATCH_ROWS, ROWS - begin);
    for (let row = 0; row < rows; row++) {
      // 4% click, a twentieth of them buys; predictions are these rates, spread over orders of magnitude.
      ctr[row] = 0.04 * Math.exp(2 * random.uniform() - 1);
      cvr[row] = 0.05 * Math.exp(2 * random.uniform() - 1);
      click[row] = Number(random.uniform() < ctr[row]!);
      purchase[row] = click[row]! * Number(random.uniform() < cvr[row]!);
    }
    const batch: Batch = { rows, ids: new Map(), numbers: new Map(), bags: new Map(), labels: new Map([['click', click], ['purchase', purchase]]) };
    const start = performance.now();
    collector.add(batch, new Map([['ctr', ctr], ['cvr', cvr]]));
    addMs += performance.now() - start;
  }
  const timed = <T>(what: () => T): { value: T; seconds: number } => {
    const start = performance.now();
    return { value: what(), seconds: (performance.now() - start) / 1000 };
  };
  const storedBytes = process.memoryUsage().rss;
  const found = spaces.map((space) => {
    const { value, seconds } = timed(() => auc.compute(scoresOf(space, collector.blocks)));
    return { space: space.name, rows: scoresOf(space, collector.blocks).rows, auc: value, seconds };
  });
  const aucSeconds = found.reduce((sum, { seconds }) => sum + seconds, 0);
  const { value: report, seconds: reportSeconds } = timed(() => collector.report());
  const peakBytes = process.resourceUsage().maxRSS * 1024;

  printTable('AUC', found.map(({ space, rows, auc: value, seconds }) => ({ space, rows: count(rows), auc: JSON.stringify(value), seconds: seconds.toFixed(2) })));
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(2)} GB`;
  console.log(`${count(ROWS)} rows: collected in ${(addMs / 1000).toFixed(1)} s; AUC of every space ${aucSeconds.toFixed(1)} s; every metric of every space ${reportSeconds.toFixed(1)} s`);
  console.log(`memory of the process with all rows ${gigabytes(storedBytes)}, at its peak ${gigabytes(peakBytes)}`);
  saveResults('metrics', { rows: ROWS, collectSeconds: addMs / 1000, aucSeconds, reportSeconds, storedBytes, peakBytes, spaces: found, report });
});
