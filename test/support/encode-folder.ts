import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeCacheFolder, writeRows } from '../../src/data/encoding/write-rows.js';
import type { RowSource } from '../../src/data/readers/cell-file.js';
import { encodeRows, type EncodeOptions } from '../../src/data/pipeline.js';
import type { RejectPolicy } from '../../src/data/rows/rejects.js';
import { blockColumns, type EncodedFormat } from '../../src/data/rows/row-format.js';
import { createSampler } from '../../src/data/rows/sampling.js';
import { scratchFolder } from './scratch.js';

/** Encodes a file to a temporary directory of shards; returns its path. */
export async function encodeFolder(
  source: RowSource,
  format: EncodedFormat,
  policy: RejectPolicy,
  options: EncodeOptions = {},
): Promise<string> {
  const path = join(scratchFolder(), 'shards');
  const columns = blockColumns(format);
  const { sampling, tasks } = format.spec;
  const sampler = sampling && createSampler(sampling, tasks, columns);
  const folder = { path, source: source.csv.path, columns, entry: () => '{}' };
  await writeCacheFolder(folder, policy, async (recording, writer) => ({
    read: undefined,
    sizes: new Map(format.fields.map(({ name, rows }) => [name, rows])),
    leftOut: await writeRows(encodeRows(source, format, { isPatient: true, ...options }), recording, writer, sampler),
  }));
  return path;
}

/** Reads all files of a directory, by name. */
export function filesIn(folder: string): readonly (readonly [string, string])[] {
  return readdirSync(folder)
    .sort()
    .map((name) => [name, readFileSync(join(folder, name), 'latin1')]);
}
