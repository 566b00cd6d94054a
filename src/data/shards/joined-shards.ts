import { dirname, join, relative } from 'node:path';
import { withSlashes } from '../../io/slashes.js';
import { sumCounts } from './counts.js';
import type { ShardRows, Shards } from './reader.js';

/** Joins directories of shards that were written for the same format into one, in order. */
export function joinedShards(all: readonly Shards[]): Shards {
  const [first, ...others] = all as [Shards, ...Shards[]];
  if (others.length === 0) return first;
  const folder = dirname(first.folder);
  const origins = all.flatMap((shards) => shards.manifest.shards.map((_, shard) => ({ shards, shard })));
  return {
    folder,
    manifest: {
      ...first.manifest,
      rows: all.reduce((sum, { manifest }) => sum + manifest.rows, 0),
      shards: all.flatMap(({ folder: own, manifest }) =>
        manifest.shards.map((shard) => ({ ...shard, file: withSlashes(relative(folder, join(own, shard.file))) })),
      ),
      about: sumCounts(all.map(({ manifest }) => manifest)),
    },
    folders: all.flatMap(({ folders }) => folders),
    async read(parts, columns, block, skipsChecksum) {
      // Rows are appended in order: consecutive parts of a directory are read together.
      for (let p = 0; p < parts.length;) {
        const { shards } = origins[parts[p]!.shard]!;
        const own: ShardRows[] = [];
        for (; p < parts.length && origins[parts[p]!.shard]!.shards === shards; p++)
          own.push({ ...parts[p]!, shard: origins[parts[p]!.shard]!.shard });
        await shards.read(own, columns, block, skipsChecksum);
      }
    },
  };
}
