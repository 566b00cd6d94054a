import { mapsOf, toBatch, withMaps } from '../support/batches.js';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import type { Batch } from '../../src/core/batch.js';
import { createRowBlock, type BlockColumn, type RowBlock } from '../../src/chunks/row-block.js';
import { MANIFEST } from '../../src/data/shards/manifest.js';
import { openShards, type ShardRows } from '../../src/data/shards/reader.js';
import { writeShards } from '../../src/data/shards/writer.js';
import { readVocabulary } from '../../src/data/shards/vocabulary.js';
import { listStrings, textsFrom } from '../../src/features/vocabulary/string-pool.js';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import { scratchFolder } from '../support/scratch.js';

const COLUMNS: readonly BlockColumn[] = [
  { name: 'click', kind: 'label' },
  { name: '101', kind: 'id' },
  { name: 'D109', kind: 'number' },
  { name: '109', kind: 'bag' },
];
const SIZES = new Map([
  ['101', 1000],
  ['109', 50],
]);

/** Row r: id r, number r / 4, and a bag of r % 4 items. */
function rowsFrom(begin: number, end: number): Batch {
  const rows = Array.from({ length: end - begin }, (_, i) => begin + i);
  const items = rows.map((r) => Array.from({ length: r % 4 }, (_, i) => (r % 40) + i));
  const offsets = new Uint32Array(rows.length + 1);
  items.forEach((bag, i) => (offsets[i + 1] = offsets[i]! + bag.length));
  return toBatch({
    rows: rows.length,
    ids: new Map([['101', Uint32Array.from(rows)]]),
    numbers: new Map([['D109', Float32Array.from(rows, (r) => r / 4)]]),
    bags: new Map([
      [
        '109',
        { offsets, ids: Uint32Array.from(items.flat()), weights: Float32Array.from(items.flat(), (id) => id / 2) },
      ],
    ]),
    labels: new Map([['click', Float32Array.from(rows, (r) => r % 2)]]),
  });
}

/** Lists the content of a block by row. */
function rowsOf(batch: Batch): unknown[] {
  const { rows, ids, numbers, bags, labels } = mapsOf(batch);
  return Array.from({ length: rows }, (_, r) => {
    const { offsets, ids: items, weights } = bags.get('109')!;
    const [begin, end] = [offsets[r], offsets[r + 1]];
    return [
      ids.get('101')![r],
      numbers.get('D109')![r],
      labels.get('click')![r],
      [...items.subarray(begin, end)],
      [...weights.subarray(begin, end)],
    ];
  });
}

/** Writes 100 rows in shards of 16, from uneven batches. */
async function writeHundred(): Promise<string> {
  const folder = join(scratchFolder(), 'shards');
  await writeShards(
    folder,
    COLUMNS,
    async (writer) => {
      for (const [begin, end] of [
        [0, 1],
        [1, 50],
        [50, 50],
        [50, 100],
      ] as const)
        await writer.add(rowsFrom(begin, end));
      return { sizes: SIZES, vocabularies: new Map([['109', textsFrom(['', 'a\n"b"'])]]), about: { from: 'a test' } };
    },
    16,
  );
  return folder;
}

async function read(folder: string, parts: readonly ShardRows[], columns = COLUMNS): Promise<RowBlock> {
  const block = createRowBlock(columns, 100);
  await (await openShards(folder))!.read(parts, columns, block);
  return block;
}

describe('shards', () => {
  it('return the written rows for any range', async () => {
    const folder = await writeHundred();
    const all = await read(
      folder,
      [0, 1, 2, 3, 4, 5, 6].map((shard) => ({ shard, begin: 0, end: shard === 6 ? 4 : 16 })),
    );
    expect(rowsOf(all)).toEqual(rowsOf(rowsFrom(0, 100)));
    const some = await read(folder, [
      { shard: 3, begin: 5, end: 16 },
      { shard: 0, begin: 2, end: 3 },
      { shard: 6, begin: 0, end: 4 },
    ]);
    expect(rowsOf(some)).toEqual([
      ...rowsOf(rowsFrom(53, 64)),
      ...rowsOf(rowsFrom(2, 3)),
      ...rowsOf(rowsFrom(96, 100)),
    ]);
  });

  it('append to the rows of a block', async () => {
    const shards = (await openShards(await writeHundred()))!;
    const block = createRowBlock(COLUMNS, 100);
    for (const begin of [0, 4, 8]) await shards.read([{ shard: 1, begin, end: begin + 4 }], COLUMNS, block);
    expect(rowsOf(block)).toEqual(rowsOf(rowsFrom(16, 28)));
  });

  it('are safetensors with a tensor per column, and a manifest with all metadata', async () => {
    const folder = await writeHundred();
    const { manifest } = (await openShards(folder))!;
    expect(manifest).toMatchObject({ rows: 100, about: { from: 'a test' } });
    expect(manifest.columns).toEqual([
      { name: 'click', kind: 'label' },
      { name: '101', kind: 'id', size: 1000 },
      { name: 'D109', kind: 'number' },
      { name: '109', kind: 'bag', size: 50, vocabulary: 'vocabulary-003.safetensors' },
    ]);
    expect(listStrings(await readVocabulary(join(folder, 'vocabulary-003.safetensors')))).toEqual(['', 'a\n"b"']);
    expect(manifest.shards.map(({ rows }) => rows)).toEqual([16, 16, 16, 16, 16, 16, 4]);
    const tensors = await readSafetensors(join(folder, manifest.shards[6]!.file));
    expect([...tensors.keys()]).toEqual(['click', '101', 'D109', '109.offsets', '109.ids', '109.weights']);
    expect(tensors.get('101')).toEqual({ shape: [4], data: Uint32Array.of(96, 97, 98, 99) });
    expect(tensors.get('109.offsets')!.data).toEqual(Uint32Array.of(0, 0, 1, 3, 6));
  });

  it('are removed if writing fails', async () => {
    const folder = scratchFolder();
    const fill = async (writer: { add(batch: Batch): Promise<void> }): Promise<never> => {
      await writer.add(rowsFrom(0, 40));
      throw new Error('stop');
    };
    await expect(writeShards(join(folder, 'shards'), COLUMNS, fill, 16)).rejects.toThrow('stop');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('are absent without a manifest', async () => {
    expect(await openShards(scratchFolder())).toBeUndefined();
    expect(await openShards('nowhere')).toBeUndefined();
  });

  interface Listed {
    readonly shards: { file: string; hash: string }[];
    readonly columns: object[];
  }
  const edit = (change: (manifest: Listed) => object) => (folder: string) => {
    const path = join(folder, MANIFEST);
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as Listed;
    writeFileSync(path, JSON.stringify({ ...manifest, ...change(manifest) }));
  };
  const shard = 'shard-00001.safetensors';
  const replaceTensor = (name: string, data: Uint32Array) => async (folder: string) => {
    const tensors = await readSafetensors(join(folder, shard));
    const digests = await writeSafetensors(join(folder, shard), tensors.set(name, { shape: [data.length], data }));
    edit(({ shards }) => ({
      shards: shards.map((entry) => (entry.file === shard ? { ...entry, ...digests } : entry)),
    }))(folder);
  };
  const overwrite = (folder: string): void => {
    const bytes = readFileSync(join(folder, shard));
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(join(folder, shard), bytes);
  };
  /** Rewrites the manifest in its previous format. */
  const asBefore = (folder: string): void =>
    edit(({ shards }) => ({
      shards: shards.map((entry) => ({
        ...entry,
        hash: undefined,
        sha256: createHash('sha256')
          .update(readFileSync(join(folder, entry.file)))
          .digest('hex'),
      })),
    }))(folder);

  it('are read with SHA-256 hashes only', async () => {
    const folder = await writeHundred();
    asBefore(folder);
    expect(readFileSync(join(folder, MANIFEST), 'utf8')).not.toContain('xxh64');
    expect(rowsOf(await read(folder, [{ shard: 1, begin: 0, end: 16 }]))).toEqual(rowsOf(rowsFrom(16, 32)));
  });

  /** Counts the bytes read from the system while `work` runs. */
  const bytesReadBy = async (work: () => Promise<unknown>): Promise<number> => {
    const handle = await open(import.meta.filename, 'r');
    const reads = vi.spyOn(Object.getPrototypeOf(handle) as FileHandle, 'read');
    try {
      await work();
      const found = await Promise.all(
        reads.mock.results.map(({ value }) => value as Promise<{ readonly bytesRead: number }>),
      );
      return found.reduce((sum, { bytesRead }) => sum + bytesRead, 0);
    } finally {
      reads.mockRestore();
      await handle.close();
    }
  };

  it.each<[string, (rows: Batch) => Batch]>([
    ['of all kinds', (rows) => rows],
    [
      'with empty bags only',
      (rows) =>
        withMaps(rows, {
          bags: new Map([
            ['109', { offsets: new Uint32Array(rows.rows + 1), ids: new Uint32Array(0), weights: new Float32Array(0) }],
          ]),
        }),
    ],
  ])('are read once and verified if read completely, columns %s', async (_, change) => {
    const folder = join(scratchFolder(), 'shards');
    const rows = change(rowsFrom(0, 48));
    await writeShards(folder, COLUMNS, async (writer) => (await writer.add(rows), { sizes: SIZES }), 16);
    const shards = (await openShards(folder))!;
    const block = createRowBlock([...COLUMNS].reverse(), 100);
    const parts = [2, 0, 1].map((at) => ({ shard: at, begin: 0, end: 16 }));
    const bytes = await bytesReadBy(() => shards.read(parts, [...COLUMNS].reverse(), block));
    expect(bytes).toBe(shards.manifest.shards.reduce((sum, each) => sum + each.bytes, 0));
    const expected = rowsOf(rows);
    expect(rowsOf(block)).toEqual([...expected.slice(32), ...expected.slice(0, 32)]);
    overwrite(folder);
    await expect((await openShards(folder))!.read(parts, COLUMNS, createRowBlock(COLUMNS, 100))).rejects.toMatchObject({
      exitCode: 3,
    });
  });

  it('are rejected for any changed byte, read completely or in part', async () => {
    const folder = await writeHundred();
    const path = join(folder, shard);
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at += 7) {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 1;
      writeFileSync(path, bytes);
      for (const end of [16, 15])
        await expect(read(folder, [{ shard: 1, begin: 0, end }]), `byte ${at}, ${end} rows`).rejects.toMatchObject({
          exitCode: 3,
        });
      await expect(
        read(folder, [{ shard: 1, begin: 0, end: 16 }], COLUMNS.slice(1)),
        `byte ${at}, a column less`,
      ).rejects.toMatchObject({ exitCode: 3 });
    }
  });

  it.each<[string, (folder: string) => void | Promise<void>, RegExp]>([
    [
      'a manifest that is not JSON',
      (folder) => writeFileSync(join(folder, MANIFEST), '{'),
      /manifest\.json: is not JSON/,
    ],
    ['a manifest of another format', edit(() => ({ format: 'x' })), /manifest\.json: format: is not a shard manifest/],
    [
      'a shard without a hash',
      edit(({ shards }) => ({ shards: shards.map((entry) => ({ ...entry, hash: undefined })) })),
      /manifest\.json: shards\.0: is not a shard manifest: a shard without a hash/,
    ],
    [
      'a shard outside the directory',
      edit(() => ({ shards: [{ file: '../x', rows: 100, bytes: 1, sha256: '0'.repeat(64) }] })),
      /shards\.0\.file: .*a file in this directory/,
    ],
    ['inconsistent row counts', edit(() => ({ rows: 99 })), /rows: is 99, but the shards have 100/],
    [
      'a duplicate column',
      edit(({ columns }) => ({ columns: [...columns, { name: '101', kind: 'number' }] })),
      /'101' is listed twice/,
    ],
    [
      'a truncated shard',
      (folder) => truncateSync(join(folder, shard), 100),
      /shard-00001\.safetensors: expected \d+ bytes as in the manifest; the file has 100 bytes/,
    ],
    ['an overwritten byte', overwrite, /shard-00001\.safetensors: is damaged or was overwritten.*'npx mtl data clean'/],
    [
      'an overwritten byte and a manifest with SHA-256 only',
      (folder) => (asBefore(folder), overwrite(folder)),
      /shard-00001\.safetensors: is damaged or was overwritten/,
    ],
    [
      'a short column',
      replaceTensor('101', new Uint32Array(3)),
      /tensor '101': expected U32 \[16\], found "U32" \[3\]/,
    ],
    [
      'decreasing offsets',
      replaceTensor('109.offsets', new Uint32Array(17).fill(2, 3, 5)),
      /tensor '109\.offsets': they do not increase/,
    ],
    [
      'an offset beyond the range of ids',
      replaceTensor('109.offsets', new Uint32Array(17).fill(3_000_000_000, 9)),
      /tensor '109\.offsets': they do not increase/,
    ],
    [
      'a last offset beyond the ids',
      replaceTensor('109.offsets', new Uint32Array(17).fill(999, 16)),
      /tensor '109\.offsets'/,
    ],
  ])('with %s are rejected with the location', async (_, damage, message) => {
    const folder = await writeHundred();
    await damage(folder);
    expect(existsSync(folder)).toBe(true);
    const attempt = (): Promise<RowBlock> => read(folder, [{ shard: 1, begin: 0, end: 16 }]);
    await expect(attempt()).rejects.toThrow(message);
    await expect(attempt()).rejects.toMatchObject({ exitCode: 3 });
  });
});
