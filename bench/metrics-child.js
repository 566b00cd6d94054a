// One measurement of bench/metrics.bench.ts in a process of its own, for its own peak memory; prints a line of JSON.
import { createCollector } from '../dist/evaluation/evaluation.js';
import { evaluationSection, resolveMeasuring } from '../dist/evaluation/options.js';
import { listOutputs } from '../dist/evaluation/outputs.js';
import { randomStream } from '../dist/core/random.js';
import { keyColumn } from '../dist/core/row-key.js';
import { taskOptions } from '../dist/core/tasks.js';

const BATCH_ROWS = 4096;
const [rows, type, section, space] = process.argv.slice(2);
const ROWS = Number(rows);
/** A realistic number of users for a log of this length. */
const USERS = Math.ceil(ROWS / 20);

const isClass = type === 'classification';
const tasks = isClass
  ? [
      { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
      { name: 'cvr', ...taskOptions.parse({ label: 'purchase', given: 'click' }) },
    ]
  : [{ name: 'paid', ...taskOptions.parse({ label: 'paid', type }) }];
const spaces = listOutputs(tasks).filter(({ name }) => space === undefined || name === space);
const measuring = resolveMeasuring(evaluationSection.parse(JSON.parse(section)));
const collector = createCollector(spaces, measuring);
const random = randomStream(0, 'metrics');
const column = () => new Float32Array(BATCH_ROWS);
const [click, purchase, ctr, cvr, paid, predicted] = [column(), column(), column(), column(), column(), column()];
const [user, hour] = [new Uint32Array(2 * BATCH_ROWS), new Uint32Array(2 * BATCH_ROWS)];
let addMs = 0;
for (let begin = 0; begin < ROWS; begin += BATCH_ROWS) {
  const count = Math.min(BATCH_ROWS, ROWS - begin);
  for (let row = 0; row < count; row++) {
    // 4% clicks, 5% of which convert; predictions spread these rates over orders of magnitude. Some users are frequent.
    if (isClass) {
      ctr[row] = 0.04 * Math.exp(2 * random.uniform() - 1);
      cvr[row] = 0.05 * Math.exp(2 * random.uniform() - 1);
      click[row] = Number(random.uniform() < ctr[row]);
      purchase[row] = click[row] * Number(random.uniform() < cvr[row]);
    } else {
      paid[row] = 100 * random.uniform() ** 2;
      predicted[row] = paid[row] + 30 * random.uniform();
    }
    user[2 * row] = Math.floor(USERS * random.uniform() ** 2);
    hour[2 * row] = random.below(24);
  }
  const labels = new Map(
    isClass
      ? [
          ['click', click],
          ['purchase', purchase],
        ]
      : [['paid', paid]],
  );
  const batch = {
    rows: count,
    ids: new Map(),
    numbers: new Map(),
    bags: new Map(),
    labels,
    keys: new Map([
      [keyColumn('user'), user],
      [keyColumn('hour'), hour],
    ]),
  };
  const start = performance.now();
  collector.add(
    batch,
    new Map(
      isClass
        ? [
            ['ctr', ctr],
            ['cvr', cvr],
          ]
        : [['paid', predicted]],
    ),
  );
  addMs += performance.now() - start;
}
const storedMB = process.memoryUsage().rss / 1e6;
const start = performance.now();
const report = collector.report();
const seconds = (performance.now() - start) / 1000;
const peakMB = (process.resourceUsage().maxRSS * 1024) / 1e6;
const result = { collectSeconds: addMs / 1000, seconds, storedMB, peakMB, report: report[spaces[0].name] };
process.stdout.write(`${JSON.stringify(result)}\n`);
