/** @module-tag long */
import type { FileHandle } from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { BlockColumn } from '../../src/chunks/row-block.js';
import { createRowBlock } from '../../src/chunks/row-block.js';
import { openShards } from '../../src/data/shards/reader.js';
import { checkShard } from '../../src/data/shards/manifest.js';
import { writeShards } from '../../src/data/shards/writer.js';
import { writeSynced } from '../../src/io/disk.js';
import { writeParts } from '../../src/io/write-parts.js';
import { scratchFolder } from '../support/scratch.js';

const { disk, system } = await vi.hoisted(async () => ({
  disk: (await import('../support/failing-disk.js')).createFailingDisk(),
  system: { mostBytes: Infinity },
}));
vi.mock('node:fs/promises', async (original) => {
  const real = disk.over(await original());
  /** Mocks a system with partial writes. */
  const reluctant = (file: FileHandle): FileHandle =>
    new Proxy(file, {
      get(target, key) {
        const value: unknown = Reflect.get(target, key);
        if (key !== 'writev' || system.mostBytes === Infinity)
          return typeof value === 'function' ? (value as () => unknown).bind(target) : value;
        return async (parts: readonly Uint8Array[]) => {
          const bytes = Buffer.concat(parts).subarray(0, system.mostBytes);
          await target.write(bytes);
          return { bytesWritten: bytes.length };
        };
      },
    });
  return { ...real, open: async (path: string, flags?: string) => reluctant(await real.open(path, flags)) };
});
vi.mock('node:fs', async (original) => disk.overSync(await original()));
afterEach(() => {
  disk.reset();
  system.mostBytes = Infinity;
});

/** Parts of zero, few, many and very many bytes. */
function someParts(): Uint8Array[] {
  const sizes = [
    0,
    7,
    100_000,
    1,
    32_767,
    32_768,
    0,
    ...new Array<number>(1500).fill(40),
    3_000_000,
    5,
    1 << 20,
    ...new Array<number>(1100).fill(32_768),
    3,
  ];
  return sizes.map((size, i) => new Uint8Array(size).fill(i));
}

describe('writeParts', () => {
  it.each([Infinity, 999_999, 40_000, 1])(
    'writes the bytes and hash of writeSynced if the system writes at most %d bytes per call',
    async (mostBytes) => {
      const folder = scratchFolder();
      const usual = await writeSynced(join(folder, 'usual'), someParts());
      system.mostBytes = mostBytes;
      const { content, sync } = await writeParts(join(folder, 'parts'), someParts());
      await sync();
      expect(usual).toMatchObject(content);
      expect(readFileSync(join(folder, 'parts')).equals(readFileSync(join(folder, 'usual')))).toBe(true);
    },
  );
});

describe('shards', () => {
  const columns: readonly BlockColumn[] = [
    { name: 'id', kind: 'id' },
    { name: 'n', kind: 'number' },
  ];
  const fill = (path: string): Promise<unknown> =>
    writeShards(
      path,
      columns,
      async (writer) => {
        const block = createRowBlock(columns, 45);
        block.rows = 45;
        await writer.add(block);
        return { sizes: new Map([['id', 1]]) };
      },
      // More shards than the limit of unsynced shards.
      1,
    );

  it('are synced before their manifest, and complete or absent after any disk failure', async () => {
    await fill(join(scratchFolder(), 'shards'));
    const operations = [...disk.operations];
    const manifest = operations.findIndex(({ path }) => path.endsWith('manifest.json'));
    const synced = operations
      .slice(0, manifest)
      .filter(({ kind, path }) => kind === 'sync' && path.endsWith('.safetensors'));
    expect(new Set(synced.map(({ path }) => path)).size).toBe(45);

    for (let n = 1; n <= operations.length; n += 7) {
      const folder = scratchFolder();
      disk.reset();
      disk.fate = (_, number) => (number === n ? { code: 'EIO' } : 'done');
      await expect(fill(join(folder, 'shards'))).rejects.toThrow('the disk reported an error');
      if (n < operations.length - 1) expect(readdirSync(folder)).toEqual([]);

      disk.reset();
      disk.fate = (_, number) => (number === n ? 'dies within' : 'done');
      await expect(fill(join(folder, 'other'))).rejects.toThrow();
      disk.losePower();
      disk.reset();
      const found = await openShards(join(folder, 'other'));
      for (const shard of found?.manifest.shards ?? []) await checkShard(join(found!.folder, shard.file), shard);
    }
  });
});
