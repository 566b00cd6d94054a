import { statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Batch } from '../../core/batch.js';
import { ENTRY } from '../cache/entry.js';
import { createEncoders, type EncodersOptions } from './encode-pool.js';
import type { BadRow, RejectPolicy } from '../rows/rejects.js';
import { blockColumns, blockReaders, blockRows, createRowBlock, type BlockColumn } from '../rows/row-block.js';
import type { EncodedFormat } from '../rows/row-format.js';
import { createKeyReaders } from '../rows/key-readers.js';
import { createSampler } from '../rows/sampling.js';
import type { LeftOut } from '../rows/row-rule.js';
import { LEFT_OUT } from '../shards/left-out.js';
import { readRows } from './fill-blocks.js';
import type { RowSource } from '../files/row-reader.js';
import { writeShards, type ShardDetails, type ShardWriter } from '../shards/writer.js';

/** Bad rows of the source, a JSON object a line. */
const REJECTS = 'rejects.jsonl';
/** Rows that are encoded before they are handed on, where these are not wide. */
const BLOCK_ROWS = 1 << 13;

/** Takes rows to where shards are written, and tells what they were read from and which were left out. */
export type Encode<Read, Details = object> = (
  policy: RejectPolicy,
  writer: ShardWriter,
) => Promise<{ readonly read: Read; readonly leftOut: LeftOut } & Details>;

/**
 * Writes what `encode` gives into a folder of the cache, together with the bad rows that it meets.
 * @param entry the text of the file that says what the folder is
 * @param path of the source
 */
export async function encodeShards<Read>(
  folder: string,
  entry: (read: Read) => string,
  path: string,
  format: EncodedFormat,
  policy: RejectPolicy,
  encode: Encode<Read>,
): Promise<void> {
  const sizes = new Map(format.fields.map(({ name, rows }) => [name, rows]));
  await keepShards(folder, entry, path, blockColumns(format), policy, async (recording, writer) => ({
    sizes,
    ...(await encode(recording, writer)),
  }));
}

/** The same for rows of any columns, of which `encode` also tells what a manifest does. */
export async function keepShards<Read>(
  folder: string,
  entry: (read: Read) => string,
  path: string,
  columns: readonly BlockColumn[],
  policy: RejectPolicy,
  encode: Encode<Read, Pick<ShardDetails, 'sizes' | 'vocabularies'>>,
): Promise<void> {
  await writeShards(folder, columns, async (writer) => {
    const rejects: BadRow[] = [];
    const recording: RejectPolicy = {
      count: 0,
      reject(row) {
        policy.reject(row);
        // The data may be called otherwise when this is read.
        rejects.push({ ...row, path: row.path.slice(path.length) });
      },
    };
    const { read, leftOut, ...details } = await encode(recording, writer);
    writer.addFile(REJECTS, rejects.map((row) => `${JSON.stringify(row)}\n`).join(''));
    writer.addFile(ENTRY, entry(read));
    return { ...details, about: { [LEFT_OUT]: Object.fromEntries(leftOut) } };
  });
}

/**
 * Encodes all rows of a file of cells. What comes of them does not depend on the number of threads.
 * @param options how many threads encode plain rows; this one alone where it is left out
 * @returns which rows were left out
 * @throws UserError (data) for a row that the policy does not let pass
 */
export async function encodeRows(
  source: RowSource,
  format: EncodedFormat,
  policy: RejectPolicy,
  writer: ShardWriter,
  onShare: (share: number) => void,
  options: EncodersOptions = { threads: 1 },
): Promise<LeftOut> {
  const columns = blockColumns(format);
  const capacity = blockRows(columns, BLOCK_ROWS);
  const block = createRowBlock(columns, capacity);
  const keys = createKeyReaders(format.keys, format.spec.cells, block);
  const readers = [...blockReaders(block, format.fields, format.labels), ...keys.readers];
  const { sampling, tasks } = format.spec;
  const sampler = sampling === undefined ? undefined : createSampler(sampling, tasks, columns);
  const add = (batch: Batch): Promise<void> => writer.add(sampler === undefined ? batch : sampler.sample(batch));
  const elsewhere = options.threads > 1 ? createEncoders(source, format, options, { policy, onRows: add }) : undefined;
  try {
    const { leftOut } = await readRows(source, {
      format,
      readers,
      block,
      capacity,
      policy,
      onBlock: () => add(block),
      onShare,
      elsewhere,
    });
    if (format.keys.length > 0)
      for (const texts of [elsewhere?.keyTexts ?? new Map(), keys.takeTexts()]) writer.addKeyTexts(texts);
    return new Map([...leftOut, ...(sampler?.leftOut ?? [])]);
  } finally {
    await elsewhere?.close();
  }
}

/**
 * Tells the policy the bad rows that the run found which wrote the shards.
 * @param path where the source is today
 */
export async function replayRejects(folder: string, path: string, policy: RejectPolicy): Promise<void> {
  const file = join(folder, REJECTS);
  // Most are empty, and a look is faster than a read.
  if (statSync(file).size === 0) return;
  const text = await readFile(file, 'utf8');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    // A line of our own.
    const row = JSON.parse(line) as BadRow;
    policy.reject({ ...row, path: path + row.path });
  }
}
