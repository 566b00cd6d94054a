/** @module-tag long */
import { column } from '../../src/core/batch.js';
import {
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { listCached, removeCached } from '../../src/data/cache/cache-list.js';
import { fingerprintSchema, isSameContent, type Fingerprint } from '../../src/data/readers/fingerprint.js';
import { refuseBadRows, skipBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/core/tasks.js';
import { csvFile, csvOf, entriesIn, runCached as run } from '../support/cached-csv.js';
import { scratchFolder } from '../support/scratch.js';

describe('cache', () => {
  it('lets a second run skip fitting and encoding', async () => {
    const path = csvFile(csvOf(20_000));
    const first = await run(path);
    expect(first.told).toEqual(['learning', 'encoding']);
    expect(first.ids).toEqual(Array.from({ length: 20_000 }, (_, i) => i));
    expect(await run(path)).toEqual({ ...first, told: [] });
    expect(entriesIn(join(path, '..', '.mtl'))).toHaveLength(2);
  });

  it('stores a long vocabulary as tensors and rejects damaged ones', async () => {
    const path = csvFile(csvOf(20_000));
    const tokens = { encoding: { name: 'tokens' } };
    const first = await run(path, {}, tokens);
    expect(first.told).toEqual(['learning', 'encoding']);
    expect(await run(path, {}, tokens)).toEqual({ ...first, told: [] });
    const cache = join(path, '..', '.mtl');
    const folder = join(
      cache,
      entriesIn(cache).find((name) => name.includes('.fitted-'))!,
    );
    const tensors = join(folder, 'fitted.safetensors');
    const whole = readFileSync(tensors);
    const turned = Buffer.from(whole);
    turned[whole.length - 1]! ^= 1;
    for (const broken of [turned, whole.subarray(0, -1)]) {
      writeFileSync(tensors, broken);
      await expect(run(path, {}, tokens)).rejects.toMatchObject({
        exitCode: 3,
        message: expect.stringMatching(/fitted\.safetensors: .*is not a complete safetensors file/) as string,
      });
    }
  });

  it('is reused if only an embedding width changes, not if an encoding changes', async () => {
    const path = csvFile(csvOf(100));
    await run(path);
    expect((await run(path, {}, { width: 4 })).told).toEqual([]);
    expect((await run(path, {}, { encoding: { name: 'tokens' } })).told).toEqual(['learning', 'encoding']);
    expect((await run(path)).told).toEqual([]);
  });

  /** Rewrites a file with its timestamps restored. */
  const rewrite = (path: string, content: string): void => {
    const { atime, mtime } = statSync(path);
    writeFileSync(path, content);
    utimesSync(path, atime, mtime);
  };
  it.each<[string, (path: string) => void]>([
    ['is longer', (path) => writeFileSync(path, csvOf(20_001))],
    [
      'has another end but the same timestamps',
      (path) => rewrite(path, csvOf(20_000).replace(/4999\.75\n$/, '4999.25\n')),
    ],
    [
      'has another middle but the same timestamps',
      (path) => rewrite(path, csvOf(20_000).replace('\n1,9999,', '\n0,9999,')),
    ],
    [
      'has another middle and was replaced',
      (path) => {
        const { atime, mtime } = statSync(path);
        writeFileSync(`${path}.new`, csvOf(20_000).replace('\n1,9999,', '\n0,9999,'));
        utimesSync(`${path}.new`, atime, mtime);
        renameSync(`${path}.new`, path);
      },
    ],
  ])('is not reused for a file that %s', async (_, change) => {
    const path = csvFile(csvOf(20_000));
    await run(path);
    change(path);
    expect((await run(path)).told.filter((what) => what !== 'verifying')).toEqual(['learning', 'encoding']);
  });

  it.each<[string, (path: string) => string]>([
    ['was touched', (path) => (utimesSync(path, 1, 1), path)],
    ['was copied over itself', (path) => (copyFileSync(path, `${path}.new`), renameSync(`${path}.new`, path), path)],
    [
      'moved with its directory',
      (path) => {
        const folder = join(scratchFolder(), 'moved');
        renameSync(join(path, '..'), folder);
        return join(folder, 'train.csv');
      },
    ],
  ])('is reused for a file that %s, without verifying it again', async (_, change) => {
    const first = csvFile(csvOf(20_000));
    const { ids, fitted } = await run(first);
    const path = change(first);
    const found = await run(path);
    expect(found).toEqual({ ids, fitted, told: found.told.filter((what) => what === 'verifying') });
    expect((await run(path)).told).toEqual([]);
  });

  it('is verified by content if verifyData is set', async () => {
    const path = csvFile(csvOf(20_000));
    const first = await run(path);
    expect(await run(path, { verifyData: true })).toEqual({ ...first, told: ['verifying'] });
    // A change that the disk does not show: the cache entry has the new stats but the old content.
    rewrite(path, csvOf(20_000, [7]).replace('x', '8'));
    const { size, mtimeNs, ctimeNs, ino } = statSync(path, { bigint: true });
    for (const name of entriesIn(join(path, '..', '.mtl'))) {
      const file = join(path, '..', '.mtl', name, 'entry.json');
      const entry = JSON.parse(readFileSync(file, 'utf8')) as object;
      writeFileSync(
        file,
        JSON.stringify({
          ...entry,
          stats: {
            '': { bytes: Number(size), mtimeNs: String(mtimeNs), ctimeNs: String(ctimeNs), inode: String(ino) },
          },
        }),
      );
    }
    expect((await run(path)).ids[7]).toBe(7);
    const verified = await run(path, { verifyData: true });
    expect([verified.told, verified.ids[7]]).toEqual([['verifying', 'learning', 'encoding'], 8]);
    // Two entries disagree about one file, so it is hashed.
    expect(await run(path)).toEqual({ ...verified, told: ['verifying'] });
  });

  it('provides a fingerprint that depends on content only, without reading the file again', async () => {
    const text = csvOf(20_000);
    const fingerprintOf = async (path: string): Promise<{ fingerprint: Fingerprint; told: string[] }> => {
      const told: string[] = [];
      const fingerprint = await (await openSource(path, [])).fingerprint({ onProgress: ({ what }) => told.push(what) });
      return { fingerprint, told };
    };
    for (const content of [text, gzipSync(text)]) {
      const path = csvFile(content);
      const cold = await fingerprintOf(path);
      expect(cold.told).not.toEqual([]);
      await run(path);
      expect(await fingerprintOf(path)).toEqual({ ...cold, told: [] });
      expect(isSameContent(cold.fingerprint, (await fingerprintOf(csvFile(content))).fingerprint)).toBe(true);
      expect(fingerprintSchema.parse(JSON.parse(JSON.stringify(cold.fingerprint)))).toEqual(cold.fingerprint);
      writeFileSync(path, Buffer.concat([Buffer.from(content), Buffer.of(10)]));
      expect(isSameContent(cold.fingerprint, (await fingerprintOf(path)).fingerprint)).toBe(false);
    }
  });

  it('stores invalid rows, so that each run reports them and applies its own limit', async () => {
    const path = csvFile(csvOf(100, [5, 50]));
    const policies = [1, 2].map(() => skipBadRows(join(scratchFolder(), 'rejects.csv'), 2));
    const rejects = await Promise.all(
      policies.map(async (_, i) => {
        const out = join(scratchFolder(), 'rejects.csv');
        const policy = skipBadRows(out, 2);
        if (i === 1) await new Promise((resolve) => setTimeout(resolve, 300));
        const { ids, told } = await run(path, { policy });
        expect(policy.count).toBe(2);
        expect(ids).not.toContain(5);
        return { told, text: readFileSync(out, 'utf8') };
      }),
    );
    expect(rejects[1]!.told).toEqual([]);
    expect(rejects[1]!.text).toBe(rejects[0]!.text);
    expect(rejects[0]!.text.split('\n')).toHaveLength(4);
    await expect(run(path, { policy: skipBadRows(undefined, 1) })).rejects.toThrow(
      /train\.csv:52: column "id".*invalid row 2 exceeds data\.maxRejects: 1/,
    );
    await expect(run(path)).rejects.toThrow(/train\.csv:7: column "id": expected an integer id/);
  });

  it('is written consistently by two concurrent runs', async () => {
    const path = csvFile(csvOf(5000));
    const [a, b] = await Promise.all([run(path), run(path)]);
    expect(a.ids).toEqual(b.ids);
    expect(entriesIn(join(path, '..', '.mtl'))).toHaveLength(2);
  });

  it('rejects a file that changes during reading and stores nothing', async () => {
    const path = csvFile(csvOf(20_000));
    const onProgress = (): void => writeFileSync(path, csvOf(19_999));
    await expect(run(path, { onProgress })).rejects.toThrow(/train\.csv: changed while it was being read/);
    expect(entriesIn(join(path, '..', '.mtl'))).toEqual([]);
  });

  it('is written in memory independent of the width of rows', { timeout: 180_000 }, async () => {
    const names = Array.from({ length: 5000 }, (_, i) => `f${i}`);
    const path = csvFile(`click,${names.join(',')}\n${`1,${names.map((_, i) => i).join(',')}\n`.repeat(4000)}`);
    const format = createRowFormat({
      tasks: [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }],
      groups: [featureTypes.schema.parse({ type: 'categorical', fields: names })],
    });
    const source = await openSource(path, dataColumns(format));
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    const reading = {
      policy: refuseBadRows,
      onProgress: () => void (most = Math.max(most, process.memoryUsage().arrayBuffers - before)),
    };
    const dataset = await source.dataset(encodedFormat(format, await source.fit(format, reading)), reading);
    expect(most).toBeLessThan(400e6);
    const batches: [number, number][] = [];
    for await (const { batch } of dataset.batches(1000))
      batches.push([batch.rows, column(batch, 'f4999', 'u32').data[999]!]);
    expect(batches).toEqual(Array(4).fill([1000, 4999]));
  });

  it('stops when aborted and leaves no entry', async () => {
    const path = csvFile(csvOf(20_000));
    const controller = new AbortController();
    const onProgress = (): void => controller.abort(new Error('stop'));
    await expect(run(path, { onProgress, signal: controller.signal })).rejects.toThrow('stop');
    expect(entriesIn(join(path, '..', '.mtl'))).toEqual([]);
  });

  it('reports overwritten labels with the fix', async () => {
    const path = csvFile(csvOf(100));
    await run(path);
    const cache = join(path, '..', '.mtl');
    const shard = join(
      cache,
      entriesIn(cache).find((name) => name.includes('.rows-'))!,
      'shard-00000.safetensors',
    );
    const bytes = readFileSync(shard);
    // Labels follow the header: 100 floats.
    bytes.fill(0, 8 + Number(bytes.readBigUInt64LE()), 8 + Number(bytes.readBigUInt64LE()) + 400);
    writeFileSync(shard, bytes);
    await expect(run(path)).rejects.toMatchObject({ exitCode: 3 });
    await expect(run(path)).rejects.toThrow(
      /shard-00000\.safetensors: is damaged or was overwritten: .*; .*'npx mtl data clean'/,
    );
    await removeCached(await listCached([{ path, home: join(dirname(path), '.mtl') }]));
    expect((await run(path)).told).toEqual(['learning', 'encoding']);
  });

  it('ignores an incomplete entry', async () => {
    const path = csvFile(csvOf(100));
    const cache = join(path, '..', '.mtl');
    await run(path);
    // A killed run leaves its entry under a temporary name.
    for (const name of entriesIn(cache)) {
      mkdirSync(join(cache, `.${name}.1-1.tmp`));
      rmSync(join(cache, name), { recursive: true });
    }
    expect((await run(path)).told).toEqual(['learning', 'encoding']);
  });
});
