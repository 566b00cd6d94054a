import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../../src/data/shards/manifest.js';
import { readSafetensors } from '../../src/io/safetensors.js';

/** A row of prepared data: a number per column, or the ids and weights of a bag. */
export type PreparedRow = Readonly<Record<string, number | readonly (readonly [number, number])[]>>;

/** Reads all rows of a directory of shards, in order. */
export async function readShardRows(folder: string): Promise<PreparedRow[]> {
  if (!existsSync(folder)) return [];
  const { columns, shards } = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Manifest;
  const rows: PreparedRow[] = [];
  for (const shard of shards) {
    const tensors = await readSafetensors(
      join(folder, shard.file),
      shard.sha256 === undefined ? undefined : { bytes: shard.bytes, sha256: shard.sha256 },
    );
    const data = (name: string) => tensors.get(name)!.data;
    for (let r = 0; r < shard.rows; r++) {
      const cells = columns.map(({ name, kind }): readonly [string, PreparedRow[string]] => {
        if (kind !== 'bag') return [name, data(name)[r]!];
        const [begin, end] = [data(`${name}.offsets`)[r]!, data(`${name}.offsets`)[r + 1]!];
        return [
          name,
          Array.from(
            { length: end - begin },
            (_, i) => [data(`${name}.ids`)[begin + i]!, data(`${name}.weights`)[begin + i]!] as const,
          ),
        ];
      });
      rows.push(Object.fromEntries(cells));
    }
  }
  return rows;
}
