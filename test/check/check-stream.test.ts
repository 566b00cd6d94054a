/** @module-tag long */
import { spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkFollow, type StreamCheckResult } from '../../src/check.js';
import { eventFiles, StreamWriter, writeStreamConfig } from '../support/event-stream.js';
import { BIN, mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const [FILE] = eventFiles(1, 700);
const isInvalid = (line: string): boolean => line === '{"user":';

/** Writes the stream and its config; returns the config. */
function writeStream(folder: string): string {
  const config = writeStreamConfig(folder);
  new StreamWriter(join(folder, 'log'), [FILE!]).finish();
  return config;
}

const check = (
  path: string,
  set: readonly string[] = [],
  onWarning: (text: string) => void = () => undefined,
): Promise<StreamCheckResult> => checkFollow({ path, set, device: 'cpu', threads: 1, onWarning });

describe('mtl check --follow', () => {
  it('reads the records that are there, takes a step, and writes nothing', async () => {
    const folder = scratchFolder();
    const config = writeStream(folder);
    const before = readdirSync(folder, { recursive: true }).sort();
    const { stream, trained } = await check(config, ['data.follow.fitRows=5000']);
    expect(readdirSync(folder, { recursive: true }).sort()).toEqual(before);
    const lines = FILE!.text.trimEnd().split('\n');
    let latest = 0;
    const times = lines.filter((line) => !isInvalid(line)).map((line) => (JSON.parse(line) as { time: number }).time);
    const counts = { outOfOrder: 0, late: 0 };
    for (const time of times) {
      if (time < latest) counts.outOfOrder++;
      if (latest - time > 3600) counts.late++;
      latest = Math.max(latest, time);
    }
    expect(counts.outOfOrder).toBeGreaterThan(10);
    expect(stream).toMatchObject({ records: 700, ...counts, changes: [] });
    expect(stream.rejected).toBe(counts.late + lines.filter(isInvalid).length);
    expect(Object.values(stream.reasons).reduce((sum, rows) => sum + rows, 0)).toBe(stream.rejected);
    expect(trained!.step.rows).toBe(64);
    expect(trained!.step.loss.total).toBeGreaterThan(0.3);
    expect(trained!.disk.checkpointBytes).toBeGreaterThan(1000);
  });

  it('grows vocabularies in its step', async () => {
    const config = writeStream(scratchFolder());
    const grown = '{"name":"tokens","minCount":1,"capacity":200}';
    const { trained } = await check(config, [`features.ids.encoding=${grown}`, 'model.ctrTower.dropout=0']);
    expect(trained!.step.rows).toBe(64);
    expect(Number.isFinite(trained!.step.loss.total)).toBe(true);
  });

  it('reports keys that a stream does not support, and warns about those it does not use', async () => {
    const config = writeStream(scratchFolder());
    await expect(
      check(config, ['data.negativeSampling={"rate":0.1}', 'training.schedule={"name":"one-cycle"}']),
    ).rejects.toThrow(
      /data\.negativeSampling: numbers the rows[^]*training\.schedule: depends on the length of training/,
    );
    const warnings: string[] = [];
    await check(config, ['training.epochs=3'], (text) => warnings.push(text));
    expect(warnings).toContainEqual(expect.stringContaining('--follow does not use training.epochs'));
  });

  it('reports a column that a CSV lacks, and too many invalid records', async () => {
    const folder = scratchFolder();
    const config = writeStream(folder);
    mkdirSync(join(folder, 'tables'));
    writeFileSync(join(folder, 'tables', 'a.csv'), 'user,item,price,click,buy,time\nu1,i1,2,1,0,1\n');
    await expect(check(config, [`data.train=${join(folder, 'tables')}`])).rejects.toThrow(/a\.csv.*page/);
    appendFileSync(join(folder, 'log', FILE!.name), '{}\n'.repeat(60));
    await expect(check(config, ['data.follow.fitRows=5000'])).rejects.toThrow(
      /data\.follow\.maxRejects: allows a share of 0\.05 invalid records per window, but \d\d of 760 are invalid/,
    );
  });

  it('reports new columns', async () => {
    const folder = scratchFolder();
    const config = writeStream(folder);
    const lines = FILE!.text
      .trimEnd()
      .split('\n')
      .filter((line) => !isInvalid(line));
    const more = lines.slice(0, 50).map((line) => `${line.slice(0, -1)},"extra":1}\n`);
    writeFileSync(join(folder, 'log', 'part-1.jsonl'), more.join(''));
    const { stream } = await check(config, ['data.follow.fitRows=5000', 'data.follow.maxLate=9d']);
    expect(stream.changes).toEqual([expect.stringMatching(/part-1\.jsonl:1: new columns extra$/)]);
  });

  it('does not wait for records that are not there yet', { timeout: 120_000 }, async () => {
    const folder = scratchFolder();
    writeStreamConfig(folder);
    const empty = await mtl(folder, ['check', 'stream.yaml', '--follow']);
    expect([empty.code, empty.stdout]).toEqual([0, expect.stringContaining('has no complete record yet')]);
    new StreamWriter(join(folder, 'log'), [{ name: FILE!.name, text: FILE!.text.slice(0, 3000) }]).finish();
    const few = await mtl(folder, ['train', 'stream.yaml', '--follow', '--dry-run']);
    const [, records] =
      /^stream {2}.*log: (\d\d) records at present, 0 invalid, \d+ out of order, 0 late\n/.exec(few.stdout) ?? [];
    expect([few.code, few.stdout]).toEqual([0, expect.stringContaining(`backward pass on ${records} rows: loss`)]);
    expect(few.stdout).toMatch(
      /no problems found; nothing written; train with: npx mtl train stream\.yaml --follow\n$/,
    );
  });

  it('takes its step with all valid records if there are fewer than one batch', async () => {
    const config = writeStream(scratchFolder());
    const { stream, trained } = await check(config, ['training.batchSize=1000', 'data.follow.fitRows=5000']);
    expect(stream.rejected).toBeGreaterThan(0);
    expect(trained!.step.rows).toBe(700 - stream.rejected);
    expect(trained!.step.loss.total).toBeGreaterThan(0.3);
  });

  it('counts all records of files and of standard input, not only those that values are fitted on', async () => {
    const folder = scratchFolder();
    const config = writeStream(folder);
    const { stream, trained } = await check(config, ['data.follow.fitRows=100']);
    expect(stream).toMatchObject({ records: 700 });
    expect(trained!.step.rows).toBe(64);
    const input = spawnSync(
      process.execPath,
      [BIN, 'check', 'stream.yaml', '--follow', '--json', '--set', 'data.train=-', '--set', 'data.follow.fitRows=100'],
      { cwd: folder, input: FILE!.text, encoding: 'utf8' },
    );
    expect([input.status, input.stderr]).toEqual([0, expect.any(String)]);
    const piped = (JSON.parse(input.stdout) as StreamCheckResult).stream;
    expect({ ...piped, name: stream.name, reasons: {} }).toEqual({ ...stream, reasons: {} });
    expect(Object.values(piped.reasons)).toEqual(Object.values(stream.reasons));
  });

  it('joins the logs of events', async () => {
    const folder = scratchFolder();
    const config = join(folder, 'joined.yaml');
    const record = (fields: object): string => `${JSON.stringify(fields)}\n`;
    const rows = Array.from({ length: 200 }, (_, r) => ({ id: `r${r}`, at: 1000 + r, user: `u${r % 20}` }));
    writeFileSync(join(folder, 'rows.jsonl'), rows.map(record).join(''));
    const clicks = rows.filter((_, r) => r % 3 === 0).map(({ id, at }) => ({ id, at: at + 5.5 }));
    writeFileSync(join(folder, 'clicks.jsonl'), clicks.map(record).join(''));
    writeFileSync(
      config,
      `data:
  train: rows.jsonl
  join: { key: id, time: at, timeFormat: seconds, events: { click: { file: clicks.jsonl, within: 60s } } }
features:
  ids: { type: categorical, fields: [user], width: 4, encoding: tokens }
tasks:
  ctr: { label: click }
model: { name: shared-bottom }
training: { batchSize: 32 }
`,
    );
    const { stream, trained } = await check(config);
    // A row without a click is certain when a record is 60 s later; a click makes it certain at once.
    const lastMs = 1198 + 5.5;
    const certain = rows.filter(({ at }, r) => (r % 3 === 0 ? at + 5.5 <= lastMs : at + 60 < lastMs));
    expect([stream.records, stream.rejected]).toEqual([certain.length, 0]);
    expect(trained!.step.rows).toBe(32);
    await expect(check(config, ['data.join.events.click.file=nowhere.jsonl'])).rejects.toThrow(/nowhere\.jsonl/);
    expect(readFileSync(join(folder, 'rows.jsonl'), 'utf8')).toContain('r199');
  });
});
