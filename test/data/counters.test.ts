import { column } from '../../src/core/batch.js';
import { appendFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { taskOptions } from '../../src/core/tasks.js';
import { countersOptions, resolveCounters } from '../../src/data/counter-options.js';
import { CounterPlan } from '../../src/data/counters/counter-plan.js';
import { CounterSet } from '../../src/data/counters/counter-set.js';
import { joinStates, splitStates, type EarlierCounters } from '../../src/data/counters/counter-start.js';
import { dataOptions, SPLITS } from '../../src/data/options.js';
import { refuseBadRows, skipBadRows } from '../../src/data/rows/rejects.js';
import { encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { CounterPass } from '../../src/data/sources/counter-pass.js';
import { streamCounters } from '../../src/data/sources/counter-columns.js';
import { openSource } from '../../src/data/sources/open-source.js';
import type { Reading } from '../../src/data/sources/source.js';
import { openData } from '../../src/data/sources/splits.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { COUNT, counters, DAY, HOUR, LOG, logs, NAMES, oracle, type LogRow } from '../support/counter-log.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';

// Counters of earlier events against a definition that looks at every earlier event of every row.

/** Counts rows without files. */
function count(rows: readonly LogRow[], options = counters(), set = new CounterSet(new CounterPlan(options, {}, []))) {
  const plan = new CounterPlan(options, {}, []);
  const into = plan.specs.map(() => new Float32Array(rows.length));
  for (const [row, { time, item, user, click }] of rows.entries()) {
    const keys = plan.groups.map((by) =>
      by.length === 1 ? item : user === '' || item === '' ? '' : `${user}|${item}`,
    );
    set.count({ time, keys, labels: plan.labels.map(() => click ?? NaN) }, into, row);
  }
  return { set, values: rows.map((_, row) => into.map((values) => values[row]!)) };
}

describe('counters', () => {
  it('equal the definition on random logs', () => {
    fc.assert(
      fc.property(logs, (rows) => {
        expect(count(rows).values).toEqual(oracle(rows));
      }),
    );
  });

  it('lag by the tolerance if rows are late, and see no later row', () => {
    const options = counters({ tolerance: '3h' });
    const late = fc.tuple(logs, fc.array(fc.integer({ min: 0, max: 3 * 3600 }), { minLength: 60, maxLength: 60 }));
    fc.assert(
      fc.property(late, ([sorted, delays]) => {
        const first = sorted[0]!.time;
        const rows = sorted.map((row, i) => ({ ...row, time: Math.max(first, row.time - delays[i]! * 1000) }));
        const { values } = count(rows, options);
        expect(values).toEqual(oracle(rows, options, 3 * HOUR));
        // Every event that the first counter can see is earlier than the row.
        for (const [r, { time, item }] of rows.entries()) {
          const earlier = rows.slice(0, r).filter((event) => event.item === item && event.time < time);
          expect(values[r]![0]).toBeLessThanOrEqual(item === '' ? 0 : earlier.length);
        }
      }),
    );
  });

  it('do not change with labels of the same or a later time', () => {
    fc.assert(
      fc.property(logs, fc.nat(), (rows, drawn) => {
        const changed = drawn % rows.length;
        const others = rows.map((row, i) => (i < changed ? row : { ...row, click: row.click === 1 ? 0 : 1 }));
        const { time } = rows[changed]!;
        const until = rows.findIndex((row) => row.time > time) >>> 0;
        expect(count(others).values.slice(0, until)).toEqual(count(rows).values.slice(0, until));
      }),
    );
  });

  it('do not change if rows of the same time are shuffled', () => {
    fc.assert(
      fc.property(logs, (rows) => {
        const reversed = [...rows.keys()].sort((a, b) => rows[a]!.time - rows[b]!.time || b - a);
        const { values } = count(reversed.map((i) => rows[i]!));
        const expected = count(rows).values;
        for (const [place, i] of reversed.entries()) expect(values[place]).toEqual(expected[i]);
      }),
    );
  });

  it('continue from a stored state as if there was no break', () => {
    fc.assert(
      fc.property(logs, fc.nat(), (rows, drawn) => {
        const cut = drawn % (rows.length + 1);
        const before = count(rows.slice(0, cut));
        const restored = CounterSet.restore(new CounterPlan(counters(), {}, []), before.set.save('00'));
        expect(count(rows.slice(cut), counters(), restored).values).toEqual(count(rows).values.slice(cut));
      }),
    );
  });

  it('continue from a stored state with half a surrogate pair in keys', () => {
    const rows = ['a\ud800', 'b', 'a\ud800', 'a\ud800', 'b', 'a\udfff'].map((item, i) => {
      return { time: i * 2 * HOUR, item, user: 'u', click: 1 };
    });
    for (const cut of [1, 3, 5]) {
      const state = count(rows.slice(0, cut)).set.save('00');
      const restored = CounterSet.restore(new CounterPlan(counters(), {}, []), state);
      expect(count(rows.slice(cut), counters(), restored).values).toEqual(count(rows).values.slice(cut));
    }
  });

  it('forget keys without events in the window', () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => ({ time: i * HOUR, item: `i${i}`, user: `u${i}`, click: 1 }));
    expect(count(rows).set.bytes).toBeLessThan(100_000);
  });
});

/** Writes a log as CSV. */
function writeLog(path: string, rows: readonly LogRow[]): string {
  const lines = rows.map(({ time, item, user, click }) => [time / 1000, item, user, click ?? ''].join(','));
  writeFileSync(path, ['time,item,user,click', ...lines, ''].join('\n'));
  return path;
}

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click', onMissing: 'mask' }) }];
const groups = [featureTypes.schema.parse({ type: 'numeric', fields: NAMES, scaling: 'none' })];
const format = createRowFormat({ tasks, groups });

/** Reads the counters of all rows of each split, in order. */
async function readSplits(
  data: object,
  reading: Partial<Reading> = {},
  start: (pass: CounterPass) => void = () => undefined,
): Promise<Record<string, number[][]>> {
  const options = dataOptions.parse(data);
  const pass = CounterPass.of(options, tasks)!;
  start(pass);
  const opened = await openData(options, format, { compute: pass.compute });
  const all: Reading = { policy: refuseBadRows, ...reading };
  const fitted = await opened.train.fit(format, all);
  const found: Record<string, number[][]> = {};
  for (const split of SPLITS) {
    const source = opened[split];
    if (source === undefined) continue;
    const dataset = await source.dataset(encodedFormat(format, fitted), all);
    const rows: number[][] = [];
    for await (const { batch } of dataset.batches(64))
      for (let row = 0; row < batch.rows; row++) rows.push(NAMES.map((name) => column(batch, name, 'f32').data[row]!));
    await dataset.close();
    found[split] = rows;
  }
  return found;
}

/** Lists the cache entries of a directory by kind. */
const entriesOf = (folder: string): string[] =>
  readdirSync(join(folder, '.mtl'))
    .flatMap((name) => /\.(counters|rows|fitted|local)-/.exec(name)?.[1] ?? [])
    .sort();

describe('counters of files', () => {
  it('continue from the training set to the validation and test set', async () => {
    const folder = scratchFolder();
    const [a, b, c] = [LOG.slice(0, 300), LOG.slice(300, 440), LOG.slice(440)];
    const data = {
      train: [writeLog(join(folder, 'a.csv'), a.slice(0, 140)), writeLog(join(folder, 'b.csv'), a.slice(140))],
      valid: writeLog(join(folder, 'c.csv'), b),
      test: writeLog(join(folder, 'd.csv'), c),
      counters: counters(),
    };
    const expected = oracle(LOG);
    const found = await readSplits(data);
    expect([...found['train']!, ...found['valid']!, ...found['test']!]).toEqual(expected);
    const entries = entriesOf(folder);
    expect(entries.filter((kind) => kind === 'counters')).toHaveLength(4);
    // A second read uses the cache.
    expect(await readSplits(data)).toEqual(found);
    expect(entriesOf(folder)).toEqual(entries);
  });

  it('see all rows of a source, also those that where and the split exclude', async () => {
    const path = writeLog(join(scratchFolder(), 'all.csv'), LOG);
    const at = LOG[400]!.time / 1000;
    const found = await readSplits({
      source: path,
      split: { by: 'date', column: 'time', train: { to: at }, test: { from: at + 1 } },
      where: { column: 'user', equals: 'u1' },
      counters: counters(),
    });
    const expected = oracle(LOG).filter((_, i) => LOG[i]!.user === 'u1');
    expect([...found['train']!, ...found['test']!]).toEqual(expected);
  });

  it('are the same for JSON Lines, many small files and a partition', async () => {
    const folder = scratchFolder();
    for (let day = 0; day < 40; day++) {
      mkdirSync(join(folder, 'log', `part=${100 + day}`), { recursive: true });
      const lines = LOG.slice(day * 15, (day + 1) * 15).map(({ time, ...row }) =>
        JSON.stringify({ ...row, click: row.click === undefined ? null : row.click === 1, time: time / 1000 }),
      );
      writeFileSync(join(folder, 'log', `part=${100 + day}`, 'rows.jsonl'), `${lines.join('\n')}\n`);
    }
    const found = await readSplits({ train: join(folder, 'log'), counters: counters() });
    expect(found['train']).toEqual(oracle(LOG));
  });

  it('are counted again if an earlier file changes, and only then', async () => {
    const folder = scratchFolder();
    const [first, second] = [writeLog(join(folder, 'a.csv'), LOG.slice(0, 200)), join(folder, 'b.csv')];
    writeLog(second, LOG.slice(200, 350));
    const data = { train: [first, second], counters: counters() };
    await readSplits(data);
    const changed = LOG.slice(0, 350).map((row, i) => (i === 199 ? { ...row, click: 1 } : row));
    writeLog(first, changed.slice(0, 200));
    expect((await readSplits(data))['train']).toEqual(oracle(changed));
    // A new file is counted from the state after the others.
    const told: string[] = [];
    const third = writeLog(join(folder, 'c.csv'), LOG.slice(350, 400));
    const more = { ...data, train: [first, second, third] };
    const found = await readSplits(more, { onProgress: ({ what }) => void told.push(what) });
    expect(found['train']).toEqual(oracle([...changed, ...LOG.slice(350, 400)]));
    expect(told.filter((what) => what.startsWith('counting')).every((what) => what.endsWith('c.csv'))).toBe(true);
  });

  it('reject rows out of order with the line and the fix', async () => {
    const folder = scratchFolder();
    const path = writeLog(join(folder, 'a.csv'), [...LOG.slice(0, 9), { ...LOG[0]!, time: LOG[0]!.time - 1000 }]);
    await expect(readSplits({ train: path, counters: counters() })).rejects.toThrow(
      `${path}:11: column "time": is "1749999999", earlier than 2025-06-15T15:48:38.000Z in ${path}:8; sort the rows`,
    );
    // The tolerance allows it.
    const found = await readSplits({ train: path, counters: counters({ tolerance: '1h' }) });
    expect(found['train']).toHaveLength(10);
    const early = {
      train: writeLog(join(folder, 'b.csv'), LOG.slice(9)),
      valid: writeLog(join(folder, 'c.csv'), LOG.slice(0, 9)),
      counters: counters(),
    };
    await expect(readSplits(early)).rejects.toThrow(`c.csv:2: column "time": is "1750000000", earlier than`);
  });

  it('count a file of which every row is quoted', async () => {
    const lines = LOG.slice(0, 100).map(({ time, item, user, click }) => [time / 1000, item, user, click ?? '']);
    const path = join(scratchFolder(), 'quoted.csv');
    writeFileSync(
      path,
      ['time,item,user,click', ...lines.map((row) => row.map((v) => `"${v}"`).join()), ''].join('\n'),
    );
    const found = await readSplits({ train: path, counters: counters() });
    expect(found['train']).toEqual(oracle(LOG.slice(0, 100)));
  });

  it('do not count a row without a valid time, which is invalid', async () => {
    const path = writeLog(join(scratchFolder(), 'a.csv'), LOG.slice(0, 100));
    appendFileSync(path, 'soon,i0,u0,1\n');
    await expect(readSplits({ train: path, counters: counters() })).rejects.toThrow(
      `${path}:102: column "shows": expected a decimal number, found "unknown, since the time of the row is invalid"`,
    );
    const policy = skipBadRows(undefined, 10);
    const found = await readSplits({ train: path, counters: counters() }, { policy });
    expect(found['train']).toEqual(oracle(LOG.slice(0, 100)));
    expect(policy.count).toBe(1);
  });

  it('reject a column with the name of a counter, and shards', async () => {
    const path = writeLog(join(scratchFolder(), 'a.csv'), LOG.slice(0, 9));
    const named = counters({ count: { ...COUNT, user: { by: 'item', within: '1d' } } });
    await expect(readSplits({ train: path, counters: named })).rejects.toThrow('rename data.counters.count.user');
    const missing = counters({ count: { ...COUNT, more: { by: 'itemm', within: '1d' } } });
    await expect(readSplits({ train: path, counters: missing })).rejects.toThrow("did you mean 'item'?");
  });

  it('of rows to predict continue from the state of the run', async () => {
    const folder = scratchFolder();
    const options = dataOptions.parse({
      train: writeLog(join(folder, 'a.csv'), LOG.slice(0, 300)),
      valid: writeLog(join(folder, 'b.csv'), LOG.slice(300, 440)),
      counters: counters(),
    });
    const pass = CounterPass.of(options, tasks)!;
    await openData(options, format, { compute: pass.compute });
    const states = await pass.states({ policy: refuseBadRows });
    const stream = async (rows: readonly LogRow[]): Promise<number[][]> => {
      const unlabeled = createRowFormat({ tasks: [], groups });
      const source = await openSource(
        writeLog(join(folder, 'c.csv'), rows),
        NAMES,
        {},
        streamCounters(pass.plan, states),
      );
      const found: number[][] = [];
      for await (const { batch } of source.stream(encodedFormat(unlabeled, {}), [], { policy: refuseBadRows }))
        for (let row = 0; row < batch.rows; row++)
          found.push(NAMES.map((name) => column(batch, name, 'f32').data[row]!));
      return found;
    };
    const expected = oracle(LOG);
    expect(await stream(LOG.slice(440))).toEqual(expected.slice(440));
    // The validation set again, and the training set.
    expect(await stream(LOG.slice(300, 440))).toEqual(expected.slice(300, 440));
    expect(await stream(LOG.slice(0, 300))).toEqual(expected.slice(0, 300));
    await expect(stream(LOG.slice(140, 180))).rejects.toThrow('within the training set, which ends at');
  });

  describe('of a warm start', { tags: ['long'] }, () => {
    const CUTS = [0, 150, 300, 400, 600];
    /** Writes the log as four files; returns the data options of training on one and validating on the next. */
    const writeDays = (given: object = {}) => {
      const folder = scratchFolder();
      const paths = CUTS.slice(1).map((cut, d) => writeLog(join(folder, `${d}.csv`), LOG.slice(CUTS[d], cut)));
      return (day: number, more: object = {}) => ({
        train: paths[day],
        ...(day < 3 && { valid: paths[day + 1] }),
        counters: counters({ ...given, ...more }),
      });
    };
    /** Reads data as a run does; returns its values, and its counters as a later run finds them. */
    const runOf = async (data: object, earlier?: EarlierCounters) => {
      const notices: string[] = [];
      let pass: CounterPass | undefined;
      const values = await readSplits(data, {}, (own) => {
        pass = own;
        if (earlier !== undefined) own.warmStart(earlier, (text) => void notices.push(text));
      });
      const stored = joinStates(await pass!.states({ policy: refuseBadRows }));
      return { values, notices, after: { ...splitStates(stored), plan: pass!.plan, path: 'before' } };
    };
    const rowsOf = (day: number, expected = oracle(LOG)): number[][] => expected.slice(CUTS[day], CUTS[day + 1]);

    it('equal those of one run over all files, from the state after the rows before', async () => {
      const dataOf = writeDays();
      let earlier: EarlierCounters | undefined;
      for (let day = 0; day < 4; day++) {
        // The validation set of a day is the training set of the next one.
        const run = await runOf(dataOf(day), earlier);
        expect(run.values['train']).toEqual(rowsOf(day));
        if (day < 3) expect(run.values['valid']).toEqual(rowsOf(day + 1));
        const clock = new Date(LOG[(CUTS[day] ?? 1) - 1]?.time ?? 0).toISOString();
        expect(run.notices).toEqual(day === 0 ? [] : [`counters continue from before, after ${clock}`]);
        earlier = run.after;
      }
    });

    it('are the same if a day is repeated from its own run, and resumed', async () => {
      const dataOf = writeDays();
      const first = await runOf(dataOf(0));
      const second = await runOf(dataOf(1), first.after);
      const again = await runOf(dataOf(1), second.after);
      expect(again.values['train']).toEqual(rowsOf(1));
      const start = { ...second.after, ends: [] };
      expect((await readSplits(dataOf(1), {}, (pass) => pass.continueRun(start)))['train']).toEqual(rowsOf(1));
      // Evaluation of the training set starts before it, and of rows between two of its rows is an error.
      const evaluated = await readSplits(dataOf(1), {}, (pass) => pass.continueRun(second.after));
      expect(evaluated['train']).toEqual(rowsOf(1));
      const within = { ...dataOf(1), train: writeLog(join(scratchFolder(), 'a.csv'), LOG.slice(200, 250)) };
      await expect(readSplits(within, {}, (pass) => pass.continueRun(second.after))).rejects.toThrow(
        'within the training set',
      );
      await expect(readSplits(dataOf(0), {}, (pass) => pass.continueRun(second.after))).rejects.toThrow(
        'before the training set',
      );
    });

    it('begin at zero if the data overlaps the training set of the run before', async () => {
      const dataOf = writeDays();
      const { after } = await runOf(dataOf(1));
      const rows = LOG.slice(200, 400);
      const path = writeLog(join(scratchFolder(), 'window.csv'), rows);
      const run = await runOf({ train: path, counters: counters() }, after);
      expect(run.values['train']).toEqual(oracle(rows));
      expect(run.notices[0]).toMatch(/^all counters begin at zero, since the data begins at 2025-.* of before$/);
    });

    it('begin at zero if their options changed; others and new priors continue', async () => {
      const dataOf = writeDays();
      const { after } = await runOf(dataOf(0));
      const count = {
        ctr: { ...COUNT.ctr, rate: { prior: 9 } },
        clicks: { ...COUNT.clicks, within: '2d' },
        exact: { ...COUNT.exact, delay: '1h' },
        shows: COUNT.shows,
      };
      const changed = await runOf(dataOf(1, { count }), after);
      const options = counters({ count });
      const continued = oracle(LOG.slice(0, 300), options).slice(150);
      const restarted = oracle(LOG.slice(150, 300), options);
      // In the order of NAMES, in which the values are read, and of `count`.
      const expected = continued.map(([ctr, , , shows], row) => [shows, restarted[row]![1], restarted[row]![2], ctr]);
      expect(changed.values['train']).toEqual(expected);
      expect(changed.notices[0]).toContain('; clicks, exact: at zero, since before has none with the same options');
      // The cache does not mix them with those of a run in which all counters continue.
      expect((await runOf(dataOf(1), after)).values['train']).toEqual(rowsOf(1));
      const other = await runOf(dataOf(1, { tolerance: '1s' }), after);
      expect(other.notices).toEqual(['all counters begin at zero, since before has none with the same options']);
      const without = await runOf(dataOf(1), { ends: [], plan: undefined, path: 'before' });
      expect(without.values['train']).toEqual(oracle(LOG.slice(150, 300)));
    });
  });

  it('equal window functions of DuckDB', async (test) => {
    needsPython(test, 'duckdb');
    const folder = scratchFolder();
    const path = writeLog(join(folder, 'a.csv'), LOG);
    const count = {
      shows: { by: 'item', within: '1d', resolution: '1s' },
      clicks: { by: 'item', of: 'click', within: '1d', resolution: '1s' },
      exact: { by: 'item', of: 'click', within: '6h', resolution: '1s', delay: '0s' },
      ctr: { by: ['user', 'item'], of: 'click', within: '2d', resolution: '1s', delay: '0s' },
    };
    const found = await readSplits({ train: path, counters: counters({ count }) });
    // Times are whole seconds: earlier than the row means at least a second before it.
    const over = (by: string, from: number, to: number): string =>
      `over (partition by ${by} order by time range between ${from} preceding and ${to} preceding)`;
    const query = `select count(*) ${over('item', 86400, 1)}, coalesce(sum(click) ${over('item', 86400, 7201)}, 0),
      coalesce(sum(click) ${over('item', 21600, 1)}, 0), coalesce(sum(click) ${over('"user", item', 172800, 1)}, 0)
      from (select *, row_number() over () as number from read_csv('${path}', all_varchar = false)) order by number`;
    const script = `import duckdb, json, sys
print(json.dumps([[float(v) for v in row] for row in duckdb.sql(sys.argv[1]).fetchall()]))`;
    expect(found['train']).toEqual(JSON.parse(python(folder, script, [query])));
  });
});

describe('options of counters', () => {
  const issues = (given: object): string[] => {
    const parsed = countersOptions.safeParse({ time: 'time', count: { n: { by: 'item', within: '1d', ...given } } });
    return parsed.success ? [] : parsed.error.issues.map(({ message }) => message);
  };

  it('are durations with a unit', () => {
    expect(issues({ within: '90m' })).toEqual([]);
    expect(issues({ within: 7 })).not.toEqual([]);
    expect(issues({ within: '7 days' })[0]).toContain('such as 90s, 30m, 6h or 7d');
    const [spec] = resolveCounters(countersOptions.parse({ time: 't', count: { n: { by: 'a', within: '1.5d' } } }));
    expect([spec!.delayMs, ...spec!.rule.memory]).toEqual([0, 1.5 * DAY, (1.5 * DAY) / 64]);
  });
});
