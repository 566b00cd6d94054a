/** @module-tag long */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { refuseBadRows, skipBadRows, type RejectPolicy } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat, type EncodedFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { createTextTable } from '../../src/features/vocabulary/text-table.js';
import { textsFrom } from '../../src/features/vocabulary/string-pool.js';
import { taskOptions } from '../../src/core/tasks.js';
import { startThread } from '../../src/system/thread.js';
import { entriesIn } from '../support/cached-csv.js';
import { encodeFolder, filesIn } from '../support/encode-folder.js';
import { openAllColumns } from '../support/read-rows.js';
import { scratchFile, scratchFolder } from '../support/scratch.js';

// Compares several threads with one; threads run the build.

const tasks = [
  { name: 'ctr', ...taskOptions.parse({ label: 'click' }) },
  { name: 'cvr', ...taskOptions.parse({ label: 'buy', given: 'click' }) },
];
const groups = [
  { type: 'categorical', fields: ['id'] },
  { type: 'categorical', fields: ['word'], encoding: { name: 'tokens' } },
  { type: 'numeric', fields: ['n'], scaling: 'standard' },
  { type: 'bag', fields: ['seen'], encoding: { name: 'ids', sizes: { seen: 50 } } },
  { type: 'cross', fields: [['word', 'id']], buckets: 100 },
].map((group) => featureTypes.schema.parse(group));
const HEADER = 'click,buy,id,word,unused,n,seen';
const format = encodedFormat(createRowFormat({ tasks, groups }), {
  id: { size: 500 },
  word: { vocabulary: createTextTable(textsFrom(['a', 'b', 'ü'])) },
  n: { mean: 1, deviation: 2 },
});

/** Encodes a CSV and returns the files of its directory or the error, and the reported invalid rows. */
async function encode(path: string, threads: number, policy: RejectPolicy, chunkBytes?: number): Promise<unknown> {
  const told: unknown[] = [];
  const telling: RejectPolicy = {
    count: 0,
    reject: (row) => {
      told.push(row);
      policy.reject(row);
    },
  };
  try {
    const source = await openAllColumns(path, {}, chunkBytes);
    return { files: filesIn(await encodeFolder(source, format, telling, { threads })), told };
  } catch (error) {
    return { error: String(error), told };
  }
}

describe('encoder threads', () => {
  it('produce the output and errors of one thread for any chunk size', async () => {
    const cells = [
      fc.constantFrom('0', '1', '1'),
      fc.constantFrom('0', '0', '0', '1', '2'),
      fc.constantFrom('0', '007', '42', '499', '42', '7', '8', '500', 'x'),
      fc.constantFrom('a', 'b', 'ü', 'else', '', 'a', 'b'),
      fc.constantFrom('', '-', 'ü'),
      fc.constantFrom('0', '-1.5', '1e3', '12.25', '3', '4', ''),
      fc.constantFrom('', '1', '1:0.5|49:2', '3|3|3', '50'),
    ];
    const plain = fc.tuple(...cells).map((row) => row.join(','));
    const row = fc.oneof(
      { weight: 30, arbitrary: plain },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          '1,0,1,"a",,1,',
          '1,0,1,"a\nb",,1,',
          '1,0,1,"a""\r\n",,1,',
          '1,0,1',
          '1,0,1,a,,1,,',
          '',
          '1,0,1,a"b,,1,',
        ),
      },
    );
    const end = fc.oneof(
      { weight: 20, arbitrary: fc.constant('\n') },
      { weight: 1, arbitrary: fc.constantFrom('\r\n', '\r', '\n\n') },
    );
    const files = fc.record({
      rows: fc.array(fc.tuple(row, end), { maxLength: 120, size: 'max' }),
      last: fc.constantFrom('', '1,1,5,b,,1,2', '1,0,1,"a', '1,0,x'),
      chunkBytes: fc.oneof(fc.integer({ min: 30, max: 2000 }), fc.integer({ min: 1, max: 100 })),
      threads: fc.integer({ min: 2, max: 3 }),
      isGzip: fc.boolean(),
      maxRejects: fc.constantFrom(undefined, 3, 1000),
    });
    await fc.assert(
      fc.asyncProperty(files, async ({ rows, last, chunkBytes, threads, isGzip, maxRejects }) => {
        const bytes = Buffer.from(`${HEADER}\n${rows.flat().join('')}${last}`);
        const path = scratchFile('data.csv', isGzip ? gzipSync(bytes) : bytes);
        const policy = (): RejectPolicy =>
          maxRejects === undefined ? refuseBadRows : skipBadRows(undefined, maxRejects);
        expect(await encode(path, threads, policy(), chunkBytes)).toEqual(await encode(path, 1, policy(), chunkBytes));
      }),
      { numRuns: 40 },
    );
  });

  it('write the shards of one thread for pieces of any size', async () => {
    const row = (i: number): string =>
      i % 40_000 === 9
        ? `1,0,${i % 500},"b",x,${i / 8},2:0.5|3`
        : i % 30_001 === 5
          ? '1,0,none,b,,1,'
          : `1,${i % 2},${i % 500},a,,${i / 4},${i % 3 === 0 ? '' : '1|2:3'}`;
    const path = scratchFile(
      'data.csv',
      `${HEADER}\n${Array.from({ length: 150_000 }, (_, i) => row(i)).join('\r\n')}`,
    );
    const expected = await encode(path, 1, skipBadRows(undefined, 10));
    expect(expected).toMatchObject({ told: [{ line: 7 }, { line: 30_008 }, { line: 60_009 }, { line: 90_010 }] });
    for (const [threads, chunkBytes] of [
      [2, 1 << 19],
      [3, 70_001],
    ] as const)
      expect(await encode(path, threads, skipBadRows(undefined, 10), chunkBytes)).toEqual(expected);
  });

  it('report an invalid row before damage later in the file', async () => {
    const bytes = gzipSync(`${HEADER}\n1,0,7,a,,1,\n1,0,x,a,,1,\n${'1,0,7,a,,1,\n'.repeat(50_000)}`);
    const path = scratchFile('data.csv.gz', bytes.subarray(0, -200));
    expect(await encode(path, 2, refuseBadRows, 1 << 14)).toMatchObject({
      error: expect.stringMatching(/:3: column "id"/) as unknown,
    });
  });

  it('encode a large source until the run is stopped', async () => {
    const path = scratchFile('data.csv', `${HEADER}\n${`1,0,7,a,${'-'.repeat(200)},1.25,1:0.5|2|3\n`.repeat(290_000)}`);
    const open = async (threads: number, signal?: AbortSignal) => {
      const cache = scratchFolder();
      const source = await openSource(path, dataColumns(format));
      const { rows } = await source.dataset(format, {
        policy: refuseBadRows,
        cache: { folder: cache },
        threads,
        ...(signal && { signal }),
      });
      const [folder] = entriesIn(cache);
      return { rows, manifest: readFileSync(join(cache, folder!, 'manifest.json'), 'utf8') };
    };
    // The manifest contains the hash of every shard.
    expect(await open(2)).toEqual(await open(1));
    const reason = new Error('stopped');
    await expect(open(2, AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  it('that fail to start or exit are an error', async () => {
    // No thread can load this format: its fields have no fitted state.
    const broken: EncodedFormat = { ...format, fitted: {} };
    const source = await openAllColumns(scratchFile('data.csv', `${HEADER}\n1,0,7,a,,1,\n`));
    const writing = encodeFolder(source, broken, refuseBadRows, { threads: 2 });
    await expect(writing).rejects.toThrow(/does not match this field of the config/);
    const thread = startThread('data/no-such-module.js');
    await expect(thread.ask({})).rejects.toThrow(/no-such-module/);
    await expect(thread.ask({})).rejects.toThrow(/no-such-module/);
    await thread.close();
    const lost = startThread('data/encoding/encode-worker', {});
    const asked = lost.ask({});
    await Promise.all([lost.close(), expect(asked).rejects.toThrow(/a thread exited|Cannot read/)]);
  });
});
