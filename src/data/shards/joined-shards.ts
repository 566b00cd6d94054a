import { dirname, join, relative } from 'node:path';
import { withSlashes } from '../../io/slashes.js';
import { sumCounts } from './counts.js';
import { Shards } from './reader.js';

/** Joins directories of shards that were written for the same format into one, in order. */
export function joinedShards(all: readonly Shards[]): Shards {
  const [first, ...others] = all as [Shards, ...Shards[]];
  if (others.length === 0) return first;
  const folder = dirname(first.folder);
  return new Shards({
    folder,
    manifest: {
      ...first.manifest,
      rows: all.reduce((sum, { manifest }) => sum + manifest.rows, 0),
      shards: all.flatMap(({ folder: own, manifest }) =>
        manifest.shards.map((shard) => ({ ...shard, file: withSlashes(relative(folder, join(own, shard.file))) })),
      ),
      about: sumCounts(all.map(({ manifest }) => manifest)),
    },
  });
}
