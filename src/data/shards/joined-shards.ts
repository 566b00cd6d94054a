import { dirname, join, relative } from 'node:path';
import { countLeftOut } from '../rows/row-rule.js';
import type { KeyTexts } from '../../core/row-key.js';
import { addKeyTexts } from '../rows/key-readers.js';
import { idCountsOf, type IdCounts } from './id-counts.js';
import { KEY_TEXTS, keyTextsOf, storedKeyTexts } from './key-texts.js';
import { LABEL_COUNTS, labelCountsOf } from './label-counts.js';
import { LEFT_OUT, leftOutOf } from './left-out.js';
import type { Shards, ShardRows } from './reader.js';

/**
 * Several folders of shards as one: the shards of each behind those of the one before. All were written for the same
 * format.
 */
export function joinedShards(all: readonly Shards[]): Shards {
  const [first, ...others] = all as [Shards, ...Shards[]];
  if (others.length === 0) return first;
  const folder = dirname(first.folder);
  const places = all.flatMap((shards) => shards.manifest.shards.map((_, shard) => ({ shards, shard })));
  return {
    folder,
    manifest: {
      ...first.manifest,
      rows: all.reduce((sum, { manifest }) => sum + manifest.rows, 0),
      shards: all.flatMap(({ folder: own, manifest }) =>
        manifest.shards.map((shard) => ({ ...shard, file: relative(folder, join(own, shard.file)) })),
      ),
      about: {
        [LEFT_OUT]: Object.fromEntries(sumOfLeftOut(all)),
        idCounts: Object.fromEntries(sumOfIdCounts(all)),
        [LABEL_COUNTS]: Object.fromEntries(sumOfLabelCounts(all)),
        [KEY_TEXTS]: storedKeyTexts(allKeyTexts(all)),
      },
    },
    folders: all.flatMap(({ folders }) => folders),
    async read(parts, columns, block, isGlance) {
      // Rows are appended in their order, so that folders are read one behind the other.
      for (let at = 0; at < parts.length;) {
        const { shards } = places[parts[at]!.shard]!;
        const own: ShardRows[] = [];
        for (; at < parts.length && places[parts[at]!.shard]!.shards === shards; at++)
          own.push({ ...parts[at]!, shard: places[parts[at]!.shard]!.shard });
        await shards.read(own, columns, block, isGlance);
      }
    },
  };
}

function sumOfLeftOut(all: readonly Shards[]): ReadonlyMap<string, number> {
  const sum = new Map<string, number>();
  for (const { manifest } of all) countLeftOut(sum, leftOutOf(manifest));
  return sum;
}

function sumOfLabelCounts(all: readonly Shards[]): ReadonlyMap<string, number> {
  const sum = new Map<string, number>();
  for (const { manifest } of all) countLeftOut(sum, labelCountsOf(manifest));
  return sum;
}

function allKeyTexts(all: readonly Shards[]): ReadonlyMap<string, KeyTexts> {
  const texts = new Map<string, KeyTexts>();
  for (const { manifest } of all) addKeyTexts(texts, keyTextsOf(manifest));
  return texts;
}

function sumOfIdCounts(all: readonly Shards[]): ReadonlyMap<string, IdCounts[string]> {
  const sum = new Map<string, IdCounts[string]>();
  for (const { manifest } of all) {
    for (const [name, { ids, unknown }] of idCountsOf(manifest)) {
      const before = sum.get(name) ?? { ids: 0, unknown: 0 };
      sum.set(name, { ids: before.ids + ids, unknown: before.unknown + unknown });
    }
  }
  return sum;
}
