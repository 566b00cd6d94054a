/** @module-tag long */
import { toBatch } from '../support/batches.js';
import { column } from '../../src/core/batch.js';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { skipBadRows, type BadRow } from '../../src/data/rows/rejects.js';
import { writeShards } from '../../src/data/shards/writer.js';
import { createRowSampler } from '../../src/data/sources/row-sample.js';
import { listTasks } from '../../src/config/experiment.js';
import { textsFrom } from '../../src/features/vocabulary/string-pool.js';
import { scratchFolder } from '../support/scratch.js';

const NUM_ROWS = 60_000;
const LIMIT = 2000;

/** Rows ordered by time: no clicks in the first half, 24% clicks in the second half. */
const rowOf = (i: number): { readonly click: number; readonly at: number; readonly note: string } => ({
  click: i >= NUM_ROWS / 2 && (i * 7919) % 25 < 6 ? 1 : 0,
  at: i,
  note: `note ${i % 7}`,
});
const all = Array.from({ length: NUM_ROWS }, (_, i) => rowOf(i));
const csv = (rows: typeof all, noteOf = (note: string): string => note): string =>
  `click,at,note\n${rows.map(({ click, at, note }) => `${click},${at},${noteOf(note)}\n`).join('')}`;
const jsonl = (rows: typeof all): string => rows.map((row) => `${JSON.stringify(row)}\n`).join('');
const parquet = (rows: typeof all): Buffer =>
  Buffer.from(
    parquetWriteBuffer({
      columnData: (['click', 'at', 'note'] as const).map((name) => ({
        name,
        data: rows.map((row) => row[name]),
        type: name === 'note' ? ('STRING' as const) : ('INT32' as const),
      })),
      rowGroupSize: 7000,
    }),
  );

const tasks = listTasks({ tasks: { ctr: { label: 'click', type: 'classification', onMissing: 'error', weight: 1 } } });
const format = encodedFormat(createRowFormat({ tasks, groups: [] }), {});

interface Sampled {
  readonly at: readonly number[];
  readonly notes: readonly string[];
  readonly clicks: number;
  readonly isCut: boolean;
  readonly bad: readonly BadRow[];
}

async function sample(paths: string | readonly string[], limit = LIMIT): Promise<Sampled> {
  const sampler = createRowSampler(limit);
  const source = await sampler.open(paths, ['click'], {});
  const [at, notes, bad]: [number[], string[], BadRow[]] = [[], [], []];
  let clicks = 0;
  const policy = { ...skipBadRows(undefined, Infinity), reject: (row: BadRow) => void bad.push(row) };
  for await (const { batch, kept } of source.stream(format, ['at', 'note'], { policy })) {
    for (let r = 0; r < batch.rows; r++) clicks += column(batch, 'click', 'f32').data[r]!;
    at.push(...kept[0]!.map(Number));
    notes.push(...kept[1]!);
  }
  return { at, notes, clicks, isCut: sampler.isCut, bad };
}

/** Files with the same rows. */
const files: readonly (readonly [string, (folder: string) => string | readonly string[]])[] = [
  ['a CSV', (folder) => write(folder, 'data.csv', csv(all))],
  [
    'a CSV with line feeds in quotes',
    (folder) =>
      write(
        folder,
        'data.csv',
        csv(all, (note) => `"${note}\nand ""more"", 1,2\n"`),
      ),
  ],
  ['a CSV in gzip', (folder) => write(folder, 'data.csv.gz', gzipSync(csv(all)))],
  ['JSON Lines', (folder) => write(folder, 'data.jsonl', jsonl(all))],
  ['JSON Lines in gzip', (folder) => write(folder, 'data.jsonl.gz', gzipSync(jsonl(all)))],
  ['Parquet', (folder) => write(folder, 'data.parquet', parquet(all))],
  [
    '12 files of a directory',
    (folder) => {
      for (let i = 0; i < 12; i++)
        write(
          folder,
          `days/day-${String(i).padStart(2, '0')}.csv`,
          csv(all.slice((i * NUM_ROWS) / 12, ((i + 1) * NUM_ROWS) / 12)),
        );
      return join(folder, 'days');
    },
  ],
  [
    'a small file and a large one',
    (folder) => [write(folder, 'a.csv', csv(all.slice(0, 500))), write(folder, 'b.csv', csv(all.slice(500)))],
  ],
];

function write(folder: string, name: string, content: string | Uint8Array): string {
  mkdirSync(join(folder, name, '..'), { recursive: true });
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

/** Writes the rows as shards of 10,000. */
async function shards(): Promise<string> {
  const folder = join(scratchFolder(), 'shards');
  const columns = [
    { name: 'click', kind: 'label' },
    { name: 'at', kind: 'number' },
    { name: 'note', kind: 'id' },
  ] as const;
  const add = async (writer: Parameters<Parameters<typeof writeShards>[2]>[0]) => {
    await writer.add(
      toBatch({
        rows: NUM_ROWS,
        ids: new Map([['note', Uint32Array.from(all, ({ at }) => 1 + (at % 7))]]),
        numbers: new Map([['at', Float32Array.from(all, ({ at }) => at)]]),
        labels: new Map([['click', Float32Array.from(all, ({ click }) => click)]]),
      }),
    );
    const texts = textsFrom(['', ...Array.from({ length: 7 }, (_, i) => `note ${i}`)]);
    return { sizes: new Map([['note', 8]]), vocabularies: new Map([['note', texts]]) };
  };
  await writeShards(folder, columns, add, 10_000);
  return folder;
}

describe('row sample', () => {
  it.each(files)('of %s is spread evenly over all rows', async (_, make) => {
    const { at, notes, clicks, isCut } = await sample(make(scratchFolder()));
    expect(isCut).toBe(true);
    expect(at).toHaveLength(LIMIT);
    expect(at[0]).toBe(0);
    expect(at.every((row, i) => i === 0 || row > at[i - 1]!)).toBe(true);
    expect(notes.every((note, i) => note.startsWith(`note ${at[i]! % 7}`))).toBe(true);
    const byTenth = Array.from(
      { length: 10 },
      (_tenth, i) => at.filter((row) => Math.floor((10 * row) / NUM_ROWS) === i).length,
    );
    expect(byTenth).toEqual(Array<number>(10).fill(LIMIT / 10));
    expect(clicks / LIMIT).toBeGreaterThan(0.11);
    expect(clicks / LIMIT).toBeLessThan(0.13);
  });

  it('of shards has runs of rows at even distances', async () => {
    const folder = await shards();
    const { at, notes, clicks, isCut } = await sample(folder, 5000);
    expect(isCut).toBe(true);
    const run = 256;
    expect(at).toHaveLength(Math.ceil(5000 / run) * run);
    const begins = at.filter((_, i) => i % run === 0);
    expect(at).toEqual(begins.flatMap((begin) => Array.from({ length: run }, (_, i) => begin + i)));
    const distances = begins.slice(1).map((begin, i) => begin - begins[i]!);
    expect(begins[0]).toBe(0);
    expect(Math.max(...distances) - Math.min(...distances)).toBeLessThanOrEqual(run);
    expect(NUM_ROWS - begins.at(-1)!).toBeLessThanOrEqual(Math.max(...distances));
    expect(notes).toEqual(at.map((row) => `note ${row % 7}`));
    expect(clicks).toBe(at.reduce((sum, row) => sum + rowOf(row).click, 0));
    expect(await sample(folder, NUM_ROWS)).toMatchObject({ at: all.map(({ at: row }) => row), isCut: false });
  });

  it('of shards reports damage in rows outside of it', async () => {
    const folder = await shards();
    const file = join(folder, 'shard-00003.safetensors');
    const bytes = readFileSync(file);
    bytes[bytes.length - 100]! ^= 1;
    writeFileSync(file, bytes);
    await expect(sample(folder, 500)).rejects.toThrow(/shard-00003.*checksum/);
  });

  it('contains all rows if there are fewer than the limit, in each format', async () => {
    const few = all.slice(0, 1999);
    const folder = scratchFolder();
    for (const path of [
      write(folder, 'a.csv', csv(few)),
      write(folder, 'a.jsonl', jsonl(few)),
      write(folder, 'a.parquet', parquet(few)),
    ]) {
      const { at, isCut } = await sample(path);
      expect(isCut).toBe(false);
      expect(at).toEqual(few.map((row) => row.at));
    }
  });

  it('reports invalid rows with their line in the file', async () => {
    const folder = scratchFolder();
    const broken = all.map((row) => ({ ...row, click: row.at % 10 === 3 ? 7 : row.click }));
    for (const [path, first] of [
      [write(folder, 'a.csv', csv(broken)), 2],
      [write(folder, 'a.jsonl', jsonl(broken)), 1],
      [write(folder, 'a.parquet', parquet(broken)), 1],
    ] as const) {
      const { bad } = await sample(path);
      expect(bad.length).toBeGreaterThan(100);
      expect(bad.map(({ line }) => (line - first) % 10)).toEqual(Array<number>(bad.length).fill(3));
    }
  });

  it('detects damage after its last row', async () => {
    const folder = scratchFolder();
    const whole = gzipSync(csv(all));
    await expect(sample(write(folder, 'a.csv.gz', whole.subarray(0, whole.length - 9)))).rejects.toThrow(
      /is truncated: the gzip data ends early/,
    );
    await expect(sample(write(folder, 'a.csv', `${csv(all)}1,60000,"open`))).rejects.toThrow(
      /a\.csv:60002: a quoted value is never closed/,
    );
  });
});
