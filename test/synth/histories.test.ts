/** @module-tag long */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { synthHistories } from '../../src/synth.js';
import { HistoryLog, MAX_HISTORY } from '../../src/synth/histories.js';
import { scratchFolder } from '../support/scratch.js';

const SIZE = { seed: 3, users: 40, items: 120, rates: { click: 0.25, purchase: 0.2 } };

/** Log odds of a click and a purchase by the documented formulas, without intercepts. */
function oddsOf(log: HistoryLog, items: readonly number[], candidate: number): readonly [number, number] {
  const { category, price, quality } = log.catalog;
  const newestFirst = items.toReversed();
  const matches = newestFirst.map((item, rank) => (category[item] === category[candidate] ? 0.9 ** rank : 0));
  const match = matches.reduce((sum, each) => sum + each, 0);
  const meanLog = newestFirst.reduce((sum, item, i) => sum + matches[i]! * Math.log(price[item]!), 0) / match;
  const isRepeated = newestFirst.slice(0, 10).includes(candidate) ? 1 : 0;
  const saving = match === 0 ? 0 : meanLog - Math.log(price[candidate]!);
  const own = quality[candidate]!;
  return [4 * (1 - Math.exp(-match)) + isRepeated + own, 2 * Math.tanh(saving) + isRepeated + 0.5 * own];
}

const logit = (p: number): number => Math.log(p / (1 - p));

describe('a log with histories', () => {
  it('has the documented probabilities: their log odds differ from the formulas by one intercept each', () => {
    const log = new HistoryLog(SIZE);
    const intercepts: (readonly [number, number])[] = [];
    const lengths: number[] = [];
    for (const block of log.draw(3000, ({ item, clickProbability, purchaseProbability }, row, { history }) => {
      const [click, purchase] = oddsOf(log, history.items, item[row]!);
      intercepts.push([logit(clickProbability[row]!) - click, logit(purchaseProbability[row]!) - purchase]);
      lengths.push(history.items.length);
    }))
      expect(block.rows).toBeLessThanOrEqual(3000);
    expect(intercepts).toHaveLength(3000);
    for (const [click, purchase] of intercepts) {
      // Probabilities are 32-bit floats.
      expect(click).toBeCloseTo(intercepts[0]![0], 3);
      expect(purchase).toBeCloseTo(intercepts[0]![1], 3);
    }
    expect(Math.max(...lengths)).toBeLessThanOrEqual(MAX_HISTORY);
    expect(new Set(lengths).size).toBeGreaterThan(20);
  });

  it('has longer histories, and clicks that depend on proportionally older items', () => {
    const lengthsOf = (historyItems: number | undefined): readonly number[] => {
      const lengths: number[] = [];
      const log = new HistoryLog({ ...SIZE, users: 400, historyItems });
      log.draw(400, (_, __, { history }) => void lengths.push(history.items.length)).next();
      return lengths.toSorted((a, b) => a - b);
    };
    const [short, long] = [lengthsOf(undefined), lengthsOf(2000)];
    expect(short.at(-1)).toBe(MAX_HISTORY);
    expect(long.at(-1)).toBe(2000);
    // The median is that of the power law, 13 of 200 items.
    expect(long[200]! / short[200]!).toBeGreaterThan(7);
    expect(long[200]! / short[200]!).toBeLessThan(13);
  });

  it('is in order of time, with aligned lists of earlier items; clicks join later histories', async () => {
    const folder = scratchFolder();
    const oracle = await synthHistories({ ...SIZE, folder, rows: { train: 2000, valid: 300, test: 300 } });
    expect(oracle['train']!['ctr']).toMatchObject({ rows: 2000 });
    let time = 0;
    const clicked = new Map<string, string>();
    for (const split of ['train', 'valid', 'test']) {
      const [header, ...lines] = readFileSync(join(folder, `${split}.csv`), 'utf8')
        .trimEnd()
        .split('\n');
      for (const line of lines) {
        const row = Object.fromEntries(line.split(',').map((value, i) => [header!.split(',')[i]!, value]));
        const lists = ['item', 'category', 'price', 'time'].map((name) => {
          const text = row[`hist_${name}`]!;
          return text === '' ? [] : text.split('|');
        });
        expect(new Set(lists.map(({ length }) => length)).size).toBe(1);
        expect(Number(row['time'])).toBeGreaterThan(time);
        time = Number(row['time']);
        const times = lists[3]!.map(Number);
        expect(times).toEqual(times.toSorted((a, b) => a - b));
        expect(times.at(-1) ?? 0).toBeLessThan(time);
        const last = clicked.get(row['user']!);
        if (last !== undefined) expect(lists[0]!.at(-1)).toBe(last);
        clicked.delete(row['user']!);
        if (row['click'] === '1') clicked.set(row['user']!, row['item']!);
        else expect(row['purchase']).toBe('0');
      }
    }
    const { train } = JSON.parse(readFileSync(join(folder, 'oracle.json'), 'utf8')) as {
      readonly train: { readonly ctr: { readonly pcoc: number } };
    };
    expect(train.ctr.pcoc).toBeGreaterThan(0.8);
    expect(train.ctr.pcoc).toBeLessThan(1.25);
  });

  it('has the same histories as a file of events, in which those before a row are its lists', async () => {
    const [folder, other] = [scratchFolder(), scratchFolder()];
    const rows = { train: 1500, test: 200 };
    await synthHistories({ ...SIZE, folder, rows });
    await synthHistories({ ...SIZE, folder: other, rows, eventLog: true });
    const read = (from: string, name: string): readonly string[][] =>
      readFileSync(join(from, `${name}.csv`), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => line.split(','));
    const [header, ...events] = read(other, 'events');
    expect(header).toEqual(['user', 'item', 'category', 'price', 'time']);
    for (const split of ['train', 'test']) {
      const lists = read(folder, split);
      expect(read(other, split)).toEqual(lists.map((row) => row.slice(0, 7)));
      for (const [, , user, , , , now, ...histories] of lists.slice(1)) {
        const own = events.filter(([of, , , , time]) => of === user && Number(time) < Number(now)).slice(-MAX_HISTORY);
        expect(histories).toEqual([1, 2, 3, 4].map((column) => own.map((event) => event[column]).join('|')));
      }
    }
  });

  it('is the same for the same seed, byte for byte, by the command', () => {
    const folder = scratchFolder();
    const run = (name: string, ...args: string[]): string => {
      const out = join(folder, name);
      const rows = ['--train', '200', '--valid', '20', '--test', '20', '--users', '30', '--items', '80'];
      execFileSync(process.execPath, ['bin/mtl.js', 'synth', out, '--sequences', ...rows, ...args]);
      return ['train', 'valid', 'test', 'oracle']
        .map((file) => readFileSync(join(out, file === 'oracle' ? 'oracle.json' : `${file}.csv`), 'utf8'))
        .join('');
    };
    expect(run('a')).toBe(run('b'));
    expect(run('a')).not.toBe(run('c', '--seed', '9'));
  });

  it.each([['--format', 'raw'], ['--bags', '4'], ['--confounder', '1'], ['--counterfactual'], ['--preset', 'ali-ccp']])(
    'rejects %s %s',
    (...args) => {
      const { status, stderr } = spawnSync(
        process.execPath,
        ['bin/mtl.js', 'synth', join(scratchFolder(), 'x'), '--sequences', ...args],
        { encoding: 'utf8' },
      );
      expect(status).toBe(2);
      expect(stderr).toContain('--sequences: cannot be combined with');
    },
  );
});
