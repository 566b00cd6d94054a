/** @module-tag long */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const [CLICK_SECONDS, BUY_SECONDS] = [60, 600];
const CONFIG = `seed: 3
data:
  train: rows
  follow: { fitRows: 500, windowRows: 900 }
  join:
    key: id
    time: at
    timeFormat: seconds
    events:
      click: { file: clicks, within: ${CLICK_SECONDS}s }
      buy: { file: buys, within: ${BUY_SECONDS}s, after: click }
features:
  ids: { type: categorical, fields: [user, item], width: 4, encoding: tokens }
tasks:
  ctr: { label: click }
  cvr: { label: buy, given: ctr }
model: { name: esmm, ctrTower: { hidden: [8], dropout: 0.2 }, cvrTower: { hidden: [8] } }
training: { batchSize: 64 }
checkpoints: { everySteps: 3 }
`;

interface Logged {
  readonly at: number;
  readonly text: string;
}
type Logs = Readonly<Record<'rows' | 'clicks' | 'buys', readonly Logged[]>>;

/** Logs in order of time, and the rows as they are known in the end, in the order in which this is certain. */
function writeDay(numRows: number): { readonly logs: Logs; readonly joined: readonly string[] } {
  const random = randomStream(5, 'day');
  const rows: Logged[] = [];
  const clicks: Logged[] = [];
  const buys: Logged[] = [];
  const joined: { readonly certain: number; readonly text: string }[] = [];
  // Times differ, so that all orders are unique.
  const later = (at: number, seconds: number): number => at + random.below(seconds) + random.uniform() / 2;
  for (let r = 0; r < numRows; r++) {
    const [id, at, user, item] = [`r${r}`, r, random.below(50), random.below(30)];
    rows.push({ at, text: JSON.stringify({ id, at, user: `u${user}`, item: `i${item}` }) });
    const click = random.uniform() < ((user + item) % 3 === 0 ? 0.7 : 0.2) ? later(at, 90) : Infinity;
    const buy = random.uniform() < 0.4 ? later(click, 800) : Infinity;
    if (click < Infinity) clicks.push({ at: click, text: JSON.stringify({ id, at: click }) });
    if (buy < Infinity) buys.push({ at: buy, text: JSON.stringify({ id, at: buy }) });
    const isClicked = click <= at + CLICK_SECONDS;
    const isBought = isClicked && buy <= click + BUY_SECONDS;
    joined.push({
      certain: isBought ? buy : isClicked ? click + BUY_SECONDS : at + CLICK_SECONDS,
      text: JSON.stringify({ user: `u${user}`, item: `i${item}`, click: Number(isClicked), buy: Number(isBought) }),
    });
  }
  const byTime = (a: Logged, b: Logged): number => a.at - b.at;
  const logs = { rows, clicks: clicks.sort(byTime), buys: buys.sort(byTime) };
  const end = Math.max(...Object.values(logs).map((log) => log.at(-1)!.at));
  const known = joined.filter(({ certain }) => certain < end).sort((a, b) => a.certain - b.certain);
  return { logs, joined: known.map(({ text }) => text) };
}

/** Writes the records of all logs before a time. */
function writeUntil(folder: string, logs: Logs, end: number): void {
  for (const [name, log] of Object.entries(logs)) {
    mkdirSync(join(folder, name), { recursive: true });
    const lines = log.filter(({ at }) => at < end).map(({ text }) => `${text}\n`);
    writeFileSync(join(folder, name, 'part-0.jsonl'), lines.join(''));
  }
}

describe('training on joined logs', () => {
  const { logs, joined } = writeDay(6000);

  it('equals training on the joined rows, also if the logs end several times', async () => {
    const cwd = scratchFolder();
    writeFileSync(
      join(cwd, 'joined.yaml'),
      CONFIG.replace(/ {2}join:\n( {4}.*\n)+/, '').replace('train: rows', 'train: all'),
    );
    writeFileSync(join(cwd, 'stream.yaml'), CONFIG);
    mkdirSync(join(cwd, 'all'));
    writeFileSync(join(cwd, 'all', 'part-0.jsonl'), joined.map((text) => `${text}\n`).join(''));
    const follow = ['--follow', '--until-end', '--no-report', '--device', 'cpu', '--run-dir'];
    const whole = await mtl(cwd, ['train', 'joined.yaml', ...follow, 'whole']);
    expect([whole.code, whole.stderr]).toEqual([0, '']);
    for (const end of [2000, 2000, 3111, 5003, Infinity]) {
      writeUntil(cwd, logs, end);
      const { code, stderr } = await mtl(cwd, ['train', 'stream.yaml', ...follow, 'parts', '--resume', 'auto']);
      expect([code, stderr]).toEqual([0, '']);
    }
    const read = (run: string, path: string): string =>
      readFileSync(join(cwd, run, 'checkpoints/last', path), 'latin1');
    for (const file of ['weights.safetensors', 'optimizer.safetensors'])
      expect(read('parts', file) === read('whole', file), file).toBe(true);
  });

  it('is refused without --follow', async () => {
    const cwd = scratchFolder();
    writeFileSync(join(cwd, 'stream.yaml'), CONFIG);
    writeUntil(cwd, logs, 1000);
    const { code, stderr } = await mtl(cwd, ['train', 'stream.yaml']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('data.join: joins logs that grow')]);
  });

  it('reports an event that follows an unknown one', async () => {
    const cwd = scratchFolder();
    writeFileSync(join(cwd, 'stream.yaml'), CONFIG.replace('after: click', 'after: klick'));
    const { code, stderr } = await mtl(cwd, ['train', 'stream.yaml', '--follow']);
    expect(code).toBe(2);
    expect(stderr).toContain('stream.yaml:11:47:');
    expect(stderr).toContain('data.join.events.buy.after: expected click or buy, found klick');
  });
});
