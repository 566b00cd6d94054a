// Tables that grow: milliseconds of steps while a stream brings new ids (--vocabulary 100M; default 10M), and of deltas
// by the number of rows that changed.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'vitest';
import { benchOptions, count, describeMachine, median, printTable, saveResults } from './results.js';

const { vocabulary: numIds = 10_000_000, threads } = benchOptions();
const [BATCH_ROWS, USERS] = [4096, 100_000];
/** Steps between two deltas of the second part, and deltas of each kind. */
const [STEPS_PER_DELTA, NUM_DELTAS] = [[10, 100, 1000], 3];
/** Steps that a process takes until they are as fast as later ones. */
const WARM_UP = 20;

const CONFIG = `
data:
  train: log
  follow: { fitRows: 4096, windowRows: ${Math.floor(numIds / 10)}, alarms: { aucDrop: 1 } }
features:
  item: { type: categorical, fields: [item], width: 4, encoding: { name: tokens, capacity: ${2 * numIds} } }
  user: { type: categorical, fields: [user], width: 4, encoding: { name: hash, buckets: ${USERS} } }
tasks:
  ctr: { label: click }
model: { name: single-task, tower: { hidden: [16] } }
training: { batchSize: ${BATCH_ROWS}${threads === undefined ? '' : `, threads: ${threads}`} }
checkpoints: { everyMinutes: 100000, keepLast: 1 }
`;

interface Measured {
  readonly stepMs: readonly number[];
  readonly memoryMB: readonly number[];
}

it('growth', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-growth-'));
  try {
    writeFileSync(join(folder, 'growth.yaml'), CONFIG);
    mkdirSync(join(folder, 'log'));
    const grown = trainOn(folder, [1, numIds], 'new');
    const steps = reportSteps(grown);
    const deltas = [];
    let first = numIds + 1;
    for (const steps of STEPS_PER_DELTA) {
      const last = first + (NUM_DELTAS + 1) * steps * BATCH_ROWS - 1;
      if (last > 2 * numIds) break;
      deltas.push({ steps, ...measureDeltas(folder, [first, last], steps) });
      first = last + 1;
    }
    printTable(`deltas of ${count(numIds)} ids and more`, deltas.map(describeDelta));
    saveResults('growth', { ids: numIds, steps, deltas });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

/** Trains on rows with new items, which it adds to the log. */
function trainOn(
  folder: string,
  items: readonly [number, number],
  start: 'new' | 'resume',
  set: readonly string[] = [],
): Measured {
  writeLog(join(folder, 'log'), items);
  const out = join(folder, 'measured.json');
  const child = join(import.meta.dirname, 'growth-child.js');
  execFileSync(process.execPath, [child, join(folder, 'growth.yaml'), join(folder, 'run'), start, out, ...set], {
    cwd: folder,
    stdio: 'inherit',
  });
  return JSON.parse(readFileSync(out, 'utf8')) as Measured;
}

/** Writes a file of rows, each with an item that no earlier row has. */
function writeLog(folder: string, [first, last]: readonly [number, number]): void {
  const path = join(folder, `${String(first).padStart(12, '0')}.csv`);
  writeFileSync(path, 'item,user,click\n');
  for (let begin = first; begin <= last; begin += 100_000) {
    let text = '';
    for (let item = begin; item <= Math.min(last, begin + 99_999); item++)
      text += `i${item},u${(item * 7919) % USERS},${item % 7 === 0 ? 1 : 0}\n`;
    appendFileSync(path, text);
  }
}

/** Prints quantiles of the steps of each tenth of a run. */
function reportSteps({ stepMs, memoryMB }: Measured): readonly object[] {
  const quantile = (values: readonly number[], share: number): number =>
    [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? NaN;
  const tenth = Math.ceil(stepMs.length / 10);
  const lines = Array.from({ length: 10 }, (_, i) => {
    const part = stepMs.slice(Math.max(i * tenth, WARM_UP), (i + 1) * tenth);
    return {
      ids: Math.round(((i + 1) * numIds) / 10),
      p50: quantile(part, 0.5),
      p99: quantile(part, 0.99),
      max: quantile(part, 1),
      memoryMB: memoryMB[Math.floor(((i + 1) * memoryMB.length) / 10) - 1] ?? NaN,
    };
  });
  printTable(
    `milliseconds of a step of ${count(BATCH_ROWS)} rows, each with a new id; ${describeMachine()}`,
    lines.map(({ ids, p50, p99, max, memoryMB: memory }) => ({
      ids: count(ids),
      p50: p50.toFixed(2),
      p99: p99.toFixed(2),
      max: max.toFixed(1),
      'memory, MB': count(Math.round(memory)),
    })),
  );
  return lines;
}

/** Measures a step that ends with a delta against those before it. */
function measureDeltas(folder: string, items: readonly [number, number], steps: number) {
  const set = [`checkpoints={ everyMinutes: 100000, keepLast: 100, delta: { everySteps: ${steps} } }`];
  const { stepMs } = trainOn(folder, items, 'resume', set);
  const folders = readdirSync(join(folder, 'run', 'checkpoints')).filter((name) => name.startsWith('step-'));
  const sizes = folders.map((name) => folderBytes(join(folder, 'run', 'checkpoints', name)));
  const plain = median(stepMs);
  // The slowest steps are those with a save.
  const saves = [...stepMs].sort((a, b) => b - a).slice(0, NUM_DELTAS);
  return { rows: steps * BATCH_ROWS, plainMs: plain, saveMs: median(saves) - plain, bytes: Math.min(...sizes) };
}

function folderBytes(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

function describeDelta({ steps, rows, saveMs, bytes }: Record<'steps' | 'rows' | 'saveMs' | 'bytes', number>) {
  return {
    steps: count(steps),
    'rows changed': count(rows),
    'seconds of the save': (saveMs / 1000).toFixed(2),
    MB: (bytes / 1e6).toFixed(1),
  };
}
