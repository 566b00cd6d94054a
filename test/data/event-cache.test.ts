import { mapsOf } from '../support/batches.js';
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { taskOptions } from '../../src/core/tasks.js';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat, type RowFormat } from '../../src/data/rows/row-format.js';
import { sequencesOptions } from '../../src/data/sequence-options.js';
import { withEventLogs } from '../../src/data/sources/event-logs.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { hashEvents, type EventLog } from '../../src/features/event-log.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { entriesIn } from '../support/cached-csv.js';
import { drawEvents, drawRequests, eventCsv, requestCsv, userLines } from '../support/event-log.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const PRICED = [
  { name: 'log.item', encoding: 'tokens' },
  { name: 'log.price', scaling: 'none' },
  { name: 'log.t', as: 'age', until: 'now' },
];

/** A log as a process opens it, and whether that process read its files. */
interface Opened {
  readonly format: RowFormat;
  readonly log: EventLog;
  readonly isRead: boolean;
  readonly warnings: readonly string[];
}

interface Opening {
  readonly fields?: readonly unknown[];
  readonly keep?: object;
  readonly per?: string;
  /** Cache directory; null: no cache. Default: next to the log. */
  readonly folder?: string | null;
}

async function openLog(file: string, options: Opening = {}): Promise<Opened> {
  const { fields = PRICED, keep = { last: 5 }, folder, ...log } = options;
  const group = featureTypes.schema.parse({ type: 'sequence', name: 's', fields, keep, encoder: 'pooling' });
  const [reports, warnings]: [string[], string[]] = [[], []];
  const format = await withEventLogs(
    createRowFormat({ tasks, groups: [group] }),
    { sequences: sequencesOptions.parse({ log: { file, key: 'user', time: 't', until: 'now', ...log } }) },
    {
      ...(folder !== null && { cache: { folder, onWarning: (text) => void warnings.push(text) } }),
      onProgress: ({ what }) => void reports.push(what),
    },
  );
  const isRead = reports.some((what) => what.startsWith('reading events of'));
  return { format, log: format.spec.logs!.get('log')!, isRead, warnings };
}

/** Returns all batches of rows as encoded with a log. */
async function readBatches({ format }: Opened, rows: string): Promise<unknown> {
  const reading = { policy: refuseBadRows, cache: { folder: scratchFolder() } };
  const source = await openSource(rows, dataColumns(format));
  const dataset = await source.dataset(encodedFormat(format, await source.fit(format, reading)), reading);
  const found: unknown[] = [];
  for await (const { batch } of dataset.batches(7, { seed: 3, epoch: 0, window: 50 }))
    found.push([...mapsOf(batch).bags].map(([name, bag]) => [name, [...bag.offsets], [...bag.ids], [...bag.weights]]));
  await dataset.close();
  return found;
}

const events = drawEvents(300);
const writeLog = (): string => scratchFile('events.csv', eventCsv(events));
const cacheOf = (file: string): string => join(file, '..', '.mtl');

describe('the cache of sorted events', () => {
  it('has the same events bitwise, so that batches are equal with and without it', async () => {
    const [file, rows] = [writeLog(), scratchFile('rows.csv', requestCsv(drawRequests(100)))];
    const plain = await openLog(file, { folder: null });
    expect([plain.isRead, existsSync(cacheOf(file))]).toEqual([true, false]);
    const first = await openLog(file);
    const second = await openLog(file);
    expect([first.isRead, second.isRead]).toEqual([true, false]);
    expect(first.log).toEqual(plain.log);
    expect(second.log).toEqual(plain.log);
    // SHA-256 of all arrays.
    expect(hashEvents(second.log)).toBe(plain.log.digest);
    expect(second.log.times.buffer).toBeInstanceOf(SharedArrayBuffer);
    const batches = await readBatches(plain, rows);
    expect(await readBatches(first, rows)).toEqual(batches);
    expect(await readBatches(second, rows)).toEqual(batches);
    expect(entriesIn(cacheOf(file))).toEqual([expect.stringMatching(/^events\.csv\.events-/)]);
  });

  it('is read again with other columns, not with other fields that read the same ones', async () => {
    const file = writeLog();
    await openLog(file);
    expect((await openLog(file, { keep: { last: 9 } })).isRead).toBe(false);
    expect((await openLog(file, { fields: [...PRICED.slice(0, 2), { ...PRICED[2], buckets: 'log' }] })).isRead).toBe(
      false,
    );
    expect((await openLog(file, { fields: PRICED.slice(1) })).isRead).toBe(true);
    const perUser = scratchFile('users.jsonl', userLines(events));
    expect((await openLog(perUser, { per: 'user' })).isRead).toBe(true);
    const again = await openLog(perUser, { per: 'user' });
    expect(again.isRead).toBe(false);
    expect(hashEvents(again.log)).toBe(again.log.digest);
  });

  it('reports an item that another field cannot read, with its line', async () => {
    const file = scratchFile('events.csv', 'user,t,item\nu,1,7\nu,2,x\n');
    await openLog(file, { fields: [{ name: 'log.item', encoding: 'tokens' }] });
    const ids = [{ name: 'log.item', encoding: 'ids' }];
    await expect(openLog(file, { fields: ids })).rejects.toThrow(
      /events\.csv:3: column "item": expected an integer id in digits, found "x"/,
    );
  });

  it('reports an item that one of several fields cannot read', async () => {
    const file = scratchFile('events.csv', 'user,t,item\nu,1,7\nu,2,x\n');
    const groups = ['ids', 'tokens'].map((encoding) =>
      featureTypes.schema.parse({
        type: 'sequence',
        name: encoding,
        fields: [{ name: 'log.item', encoding }],
        encoder: 'pooling',
      }),
    );
    const sequences = sequencesOptions.parse({ log: { file, key: 'user', time: 't', until: 'now' } });
    const read = withEventLogs(createRowFormat({ tasks, groups }), { sequences });
    await expect(read).rejects.toThrow(/events\.csv:3: .*integer id/);
  });

  it('is read again if a file changes, and not if it is only touched', async () => {
    const file = writeLog();
    const { log } = await openLog(file);
    writeFileSync(file, eventCsv(events));
    const touched = await openLog(file);
    expect([touched.isRead, touched.log.digest]).toEqual([false, log.digest]);
    // The same number of bytes.
    writeFileSync(file, eventCsv(events).replace('u1', 'u9'));
    const changed = await openLog(file);
    expect(changed.isRead).toBe(true);
    expect(changed.log).toEqual((await openLog(file, { folder: null })).log);
    expect(changed.log.digest).not.toBe(log.digest);
    appendFileSync(file, 'u1,3,a,1\n');
    expect((await openLog(file)).log.times).toHaveLength(301);
    expect((await openLog(file)).isRead).toBe(false);
  });

  it('has one entry for several files, which another file replaces', async () => {
    const folder = scratchFolder();
    const parts = [0, 100, 170].map((begin, i) => eventCsv(events.slice(begin, [100, 170, 300][i])));
    parts.forEach((part, i) => {
      writeFileSync(join(folder, `${i}.csv`), part);
    });
    const cache = scratchFolder();
    const expected = (await openLog(folder, { folder: null })).log;
    const [first, second] = [await openLog(folder, { folder: cache }), await openLog(folder, { folder: cache })];
    expect([first.isRead, second.isRead]).toEqual([true, false]);
    expect(second.log).toEqual(expected);
    writeFileSync(join(folder, '0.csv'), parts[0]!);
    expect((await openLog(folder, { folder: cache })).isRead).toBe(false);
    writeFileSync(join(folder, '3.csv'), parts[0]!);
    const more = await openLog(folder, { folder: cache });
    expect([more.isRead, more.log.times.length]).toEqual([true, 400]);
    // Events of the same time have the order of the files.
    writeFileSync(join(folder, '0.csv'), parts[1]!);
    writeFileSync(join(folder, '1.csv'), parts[0]!);
    rmSync(join(folder, '3.csv'));
    const swapped = await openLog(folder, { folder: cache });
    expect([swapped.isRead, swapped.log]).toEqual([true, (await openLog(folder, { folder: null })).log]);
  });

  it.each<[string, string, (content: Buffer) => Buffer | undefined]>([
    ['a changed byte', 'events.safetensors', (content) => ((content[content.length - 1]! ^= 1), content)],
    ['a truncated file', 'events.safetensors', (content) => content.subarray(0, -1)],
    ['no tensors', 'events.safetensors', () => undefined],
    ['a truncated description', 'events.json', (content) => content.subarray(0, 9)],
    ['another description', 'events.json', () => Buffer.from('{}')],
    ['no description', 'events.json', () => undefined],
    ['a truncated entry', 'entry.json', (content) => content.subarray(0, 9)],
    ['no entry', 'entry.json', () => undefined],
  ])('is written again after damage: %s', async (_, name, damage) => {
    const file = writeLog();
    const { log } = await openLog(file);
    const path = join(cacheOf(file), entriesIn(cacheOf(file))[0]!, name);
    const content = damage(readFileSync(path));
    if (content === undefined) rmSync(path);
    else writeFileSync(path, content);
    const again = await openLog(file);
    expect([again.isRead, again.warnings]).toEqual([true, []]);
    expect(again.log).toEqual(log);
    const last = await openLog(file);
    expect([last.isRead, last.log]).toEqual([false, log]);
    expect(entriesIn(cacheOf(file))).toHaveLength(1);
  });

  it('warns if it cannot be written', async () => {
    const file = writeLog();
    const opened = await openLog(file, { folder: scratchFile('file', '') });
    expect(opened.log).toEqual((await openLog(file, { folder: null })).log);
    expect(opened.warnings).toEqual([expect.stringMatching(/events\.csv: its sorted events are not cached: .*file: /)]);
  });

  it('has no entry of invalid events', async () => {
    const file = scratchFile('events.csv', 'user,t,item,price\nu,1,a,1\nu,,b,1\n');
    await expect(openLog(file)).rejects.toThrow(/events\.csv:3: column "t"/);
    expect(
      existsSync(cacheOf(file)) ? readdirSync(cacheOf(file)).filter((name) => name.includes('events')) : [],
    ).toEqual([]);
  });
});
