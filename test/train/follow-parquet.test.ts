import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { expect, it } from 'vitest';
import { GROWING_CONFIG, growingRecords } from '../support/growing-log.js';
import { mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

it('trains on a stream of Parquet as on JSON Lines, with vocabularies that grow', async () => {
  const cwd = scratchFolder();
  const config = GROWING_CONFIG.replace(
    'tasks:',
    `  near:
    type: bag
    fields: [near]
    width: 4
    encoding: { name: tokens, capacity: 60 }
    separators: { items: '|' }
tasks:`,
  );
  writeFileSync(join(cwd, 'stream.yaml'), config);
  const records = growingRecords(3000).map((text) => {
    const record = JSON.parse(text) as { at: number; user: string; item: string; click: number };
    return { ...record, near: `${record.item}|${record.user}` };
  });
  // Several batches read one dictionary.
  const columnData = (['at', 'user', 'item', 'click', 'near'] as const).map((name) => ({
    name,
    data: records.map((record) => record[name]),
  }));
  for (const [log, file, content] of [
    ['json', 'a.jsonl', records.map((record) => `${JSON.stringify(record)}\n`).join('')],
    ['parquet', 'a.parquet', new Uint8Array(parquetWriteBuffer({ columnData, rowGroupSize: 1000 }))],
  ] as const) {
    mkdirSync(join(cwd, log));
    writeFileSync(join(cwd, log, file), content);
    const args = ['--follow', '--until-end', '--no-report', '--run-dir', `runs/${log}`, '--set', `data.train=${log}`];
    const { code, stderr } = await mtl(cwd, ['train', 'stream.yaml', ...args]);
    expect([code, stderr]).toEqual([0, '']);
  }
  const windows = (run: string): readonly object[] =>
    readFileSync(join(cwd, 'runs', run, 'metrics.jsonl'), 'utf8')
      .split('\n')
      .filter((line) => line.includes('"progressive"'))
      .map((line) => ({ ...(JSON.parse(line) as object), elapsedMs: 0, lag: undefined }));
  expect(windows('parquet').length).toBeGreaterThan(2);
  expect(windows('parquet')).toEqual(windows('json'));
});
