/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { follow } from '../support/counted-stream.js';
import {
  HISTORY_CONFIG,
  historyRecords,
  JOINED_CONFIG,
  JOINED_LISTS_CONFIG,
  joinedDay,
  LISTS_CONFIG,
  withLists,
  writeHistoryStream,
  writeJoinedStream,
} from '../support/history-stream.js';
import { scratchFolder } from '../support/scratch.js';
import { abortAtStep } from '../support/small-run.js';

const RECORDS = historyRecords(4000);

/** Reads the last checkpoint of a run, with all numbers of its tensors. */
async function readTrained(run: string) {
  const { program, fitted, states } = await readCheckpoint(join(run, 'checkpoints/last'), { withOptimizer: true });
  const numbers = [...program.weights, ...program.optimizer].map(([name, { data }]) => [name, [...data]]);
  return { step: program.step, numbers, fitted, histories: states.histories && [...states.histories] };
}

describe('training on a stream with histories of its own records', () => {
  it('gives the weights of a training on records with these lists', { timeout: 120_000 }, async () => {
    const [folder, lists] = [scratchFolder(), scratchFolder()];
    await follow(writeHistoryStream(folder, HISTORY_CONFIG, RECORDS), join(folder, 'run'));
    await follow(writeHistoryStream(lists, LISTS_CONFIG, withLists(RECORDS)), join(lists, 'run'));
    const [own, other] = [await readTrained(join(folder, 'run')), await readTrained(join(lists, 'run'))];
    expect(own.step).toBeGreaterThan(40);
    expect(own.fitted).toEqual(other.fitted);
    expect(own).toEqual({ ...other, histories: own.histories });
    const rejects = readFileSync(join(folder, 'run', 'rejects.csv'), 'utf8');
    expect(rejects.split('\n').length).toBe(readFileSync(join(lists, 'run', 'rejects.csv'), 'utf8').split('\n').length);
    expect(rejects).toContain('a time at most 50s before the latest one');
  });

  it.each(['full', 'deltas'] as const)(
    'gives the same numbers if it is interrupted at many steps: %s',
    { timeout: 240_000 },
    async (kind) => {
      const folder = scratchFolder();
      const set = kind === 'full' ? ['checkpoints.delta=null', 'checkpoints.everySteps=2'] : [];
      const config = writeHistoryStream(folder, HISTORY_CONFIG, RECORDS);
      await follow(config, join(folder, 'whole'), { set });
      const random = randomStream(3, 'steps', kind);
      for (let part = 0; part < 8; part++)
        await follow(config, join(folder, 'parts'), { set, resume: 'auto', ...abortAtStep(1 + random.below(9)) });
      await follow(config, join(folder, 'parts'), { set, resume: 'auto' });
      const [parts, whole] = [await readTrained(join(folder, 'parts')), await readTrained(join(folder, 'whole'))];
      expect(whole.histories!.length).toBeGreaterThan(5);
      expect(parts).toEqual(whole);
    },
  );

  it('gives the same numbers if the log ends within batches', { timeout: 240_000 }, async () => {
    const folder = scratchFolder();
    const parts = join(folder, 'parts');
    for (const end of [320, 1001, 1001, 1777, 3111]) {
      const config = writeHistoryStream(folder, HISTORY_CONFIG, RECORDS.slice(0, end));
      await follow(config, parts, { resume: 'auto' });
    }
    const config = writeHistoryStream(folder, HISTORY_CONFIG, RECORDS);
    await follow(config, parts, { resume: 'auto' });
    await follow(config, join(folder, 'whole'));
    expect(await readTrained(parts)).toEqual(await readTrained(join(folder, 'whole')));
  });

  it('gives lists to vocabularies that grow', { timeout: 120_000 }, async () => {
    const [folder, lists] = [scratchFolder(), scratchFolder()];
    const grow = 'features.item.encoding={ name: tokens, capacity: 20, admit: { count: 2 } }';
    await follow(writeHistoryStream(folder, HISTORY_CONFIG, RECORDS), join(folder, 'run'), { set: [grow] });
    await follow(writeHistoryStream(lists, LISTS_CONFIG, withLists(RECORDS)), join(lists, 'run'), { set: [grow] });
    const [own, other] = [await readTrained(join(folder, 'run')), await readTrained(join(lists, 'run'))];
    expect(own.numbers).toEqual(other.numbers);
    expect(own.fitted).toEqual(other.fitted);
  });

  it('excludes the records that data.where excludes', { timeout: 120_000 }, async () => {
    const [folder, lists] = [scratchFolder(), scratchFolder()];
    const set = ['data.where={ column: item, oneOf: [i1, i2, i3, i4, i5, i6, i7, i8, i9] }'];
    await follow(writeHistoryStream(folder, HISTORY_CONFIG, RECORDS), join(folder, 'run'), { set });
    const isIncluded = (row: (typeof RECORDS)[number]): boolean => row === undefined || /^i[1-9]$/.test(row.item ?? '');
    const included = RECORDS.filter(isIncluded);
    // Vocabularies are fitted on the same records.
    const head = RECORDS.filter((row) => row !== undefined).slice(0, 300);
    const fit = [`data.follow.fitRows=${head.filter(isIncluded).length}`];
    await follow(writeHistoryStream(lists, LISTS_CONFIG, withLists(included)), join(lists, 'run'), { set: fit });
    const [own, other] = [await readTrained(join(folder, 'run')), await readTrained(join(lists, 'run'))];
    expect(own.numbers).toEqual(other.numbers);
  });

  it.each([
    ['data.sequences.clicks={ of: click, key: user, until: at }', 'expected time; set it'],
    ['data.sequences.clicks={ key: user, time: at, until: at }', 'expected file or of; set one'],
    ['data.sequences.clicks={ file: log, of: click, key: user, time: at, until: at }', 'found both; remove one'],
    ['data.sequences.clicks={ of: click, key: user, time: at, until: at, per: user }', 'applies to a file; remove it'],
    [
      'data.sequences.clicks={ of: click, key: user, time: at, until: at, format: csv }',
      'rows have the format of data',
    ],
  ])('refuses %s', async (option, message) => {
    const folder = scratchFolder();
    const config = writeHistoryStream(folder, HISTORY_CONFIG, RECORDS);
    await expect(follow(config, join(folder, 'run'), { set: [option] })).rejects.toThrow(message);
  });

  it('refuses a record whose event is invalid, and a file with the items', { timeout: 60_000 }, async () => {
    const folder = scratchFolder();
    const paid = RECORDS.map((row) => row && { ...row, paid: 1 });
    const much = { at: 1_700_000_066, user: 'u1', item: 'i1', price: 1, paid: 'much' };
    const config = writeHistoryStream(folder, HISTORY_CONFIG, [
      ...paid.slice(0, 200),
      { ...much, click: 1 },
      { ...much, click: 0 },
      ...paid.slice(200, 500),
    ]);
    const rest = '{ name: clicks.item, target: item }], encoder: pooling }';
    const feature = `features.history={ type: sequence, fields: [{ name: clicks.paid, scaling: log1p }, ${rest}`;
    await follow(config, join(folder, 'run'), { set: [feature] });
    const rejects = readFileSync(join(folder, 'run', 'rejects.csv'), 'utf8').split('\n');
    expect(rejects.filter((line) => line.includes('much'))).toEqual([
      expect.stringMatching(/part-0\.jsonl,201,paid,much,expected a decimal number/),
    ]);
    const named = join(folder, 'named.csv');
    writeFileSync(named, 'at,user,item,price,click,clicks.item\n1700000000,u1,i1,1,1,i2\n');
    await expect(follow(config, join(folder, 'named'), { set: [`data.train=${named}`] })).rejects.toThrow(
      /column "clicks\.item".*has the name of items of data\.sequences/s,
    );
  });
});

describe('training on joined logs with histories of an event', () => {
  const { logs, joined } = joinedDay(6000);

  it('gives the weights of a training on joined rows with these lists', { timeout: 240_000 }, async () => {
    const [folder, lists] = [scratchFolder(), scratchFolder()];
    await follow(writeJoinedStream(folder, JOINED_CONFIG, logs), join(folder, 'whole'));
    const config = writeHistoryStream(lists, JOINED_LISTS_CONFIG, []);
    await follow(config, join(lists, 'run'), { set: [`data.train=${writeRows(lists, joined)}`] });
    const [whole, other] = [await readTrained(join(folder, 'whole')), await readTrained(join(lists, 'run'))];
    expect(whole.step).toBeGreaterThan(60);
    expect([whole.step, whole.numbers]).toEqual([other.step, other.numbers]);
  });

  it(
    'gives the same numbers if it is interrupted, and if the logs end several times',
    { timeout: 240_000 },
    async () => {
      const folder = scratchFolder();
      const parts = join(folder, 'parts');
      for (const end of [2000, 2000, 3111, 5003])
        await follow(writeJoinedStream(folder, JOINED_CONFIG, logs, end), parts, { resume: 'auto' });
      const config = writeJoinedStream(folder, JOINED_CONFIG, logs);
      await follow(config, parts, { resume: 'auto', ...abortAtStep(3) });
      await follow(config, parts, { resume: 'auto' });
      await follow(config, join(folder, 'whole'));
      const random = randomStream(3, 'steps');
      for (let part = 0; part < 8; part++)
        await follow(config, join(folder, 'often'), { resume: 'auto', ...abortAtStep(1 + random.below(20)) });
      await follow(config, join(folder, 'often'), { resume: 'auto' });
      const whole = await readTrained(join(folder, 'whole'));
      expect(whole.histories!.length).toBeGreaterThan(5);
      expect(await readTrained(parts)).toEqual(whole);
      expect(await readTrained(join(folder, 'often'))).toEqual(whole);
    },
  );

  it.each([
    ['data.where={ column: item, equals: i1 }', 'has events of rows before data.where can exclude them'],
    [
      'data.sequences.clicks={ of: click, key: user, time: at, until: at }',
      'is not the time of the event click; remove',
    ],
    ['data.sequences.clicks={ of: click, key: buy_time, until: at }', 'reads buy_time, which is not known when'],
  ])('refuses %s', async (option, message) => {
    const folder = scratchFolder();
    const config = writeJoinedStream(folder, JOINED_CONFIG, logs, 100);
    await expect(follow(config, join(folder, 'run'), { set: [option] })).rejects.toThrow(message);
  });
});

/** Writes rows as a log; returns its directory. */
function writeRows(folder: string, rows: readonly object[]): string {
  writeHistoryStream(folder, JOINED_LISTS_CONFIG, rows);
  return join(folder, 'log');
}
