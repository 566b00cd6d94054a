import type { EncodedField } from '../../features/feature.js';
import type { Dataset } from '../batches/dataset.js';
import { SPLITS, type Split } from '../options.js';

/**
 * By split and field: the share of ids, or of the items of bags, that are 0, the unknown. Only what was counted when
 * rows were encoded.
 */
export type UnknownShares = { readonly [S in Split]?: Readonly<Record<string, number>> };

/** A share beyond this is told. */
const HIGH = 0.2;
/** On valid and test only what is so many times as much as on train: else it is how the field is. */
const MORE_THAN_TRAIN = 2;

/** The shares in the data sets of a run. */
export function unknownShares(datasets: { readonly [S in Split]?: Dataset | undefined }): UnknownShares {
  return Object.fromEntries(
    SPLITS.flatMap((split) => {
      const counted = [...(datasets[split]?.idCounts ?? [])].filter(([, { ids }]) => ids > 0);
      return counted.length === 0
        ? []
        : [[split, Object.fromEntries(counted.map(([field, { ids, unknown }]) => [field, unknown / ids]))]];
    }),
  );
}

/** What to tell of fields that a model knows too little of, a line each, with the cure. */
export function unknownNotices(shares: UnknownShares, fields: readonly EncodedField[]): readonly string[] {
  const shareOf = (split: Split, field: string): number =>
    Object.hasOwn(shares[split] ?? {}, field) ? shares[split]![field]! : 0;
  return fields.flatMap(({ name, direct }) => {
    // A cell that is an id already may be a 0 with a meaning of its own.
    if (shareOf('train', name) > HIGH && direct?.cell !== 'id') {
      return [
        `field '${name}': ${percent(shareOf('train', name))} of the training set is out of vocabulary and ` +
          "shares one id; lower the encoding's minCount, use encoding { name: hash, buckets: … }, " +
          'or remove the field if its values are missing',
      ];
    }
    const split = (['valid', 'test'] as const).find(
      (each) => shareOf(each, name) > Math.max(HIGH, MORE_THAN_TRAIN * shareOf('train', name)),
    );
    if (split === undefined) return [];
    return [
      `field '${name}': ${percent(shareOf(split, name))} of the ${split === 'valid' ? 'validation' : 'test'} set is ` +
        `out of vocabulary, but only ${percent(shareOf('train', name))} of the training set; train on more or newer ` +
        'rows, use encoding { name: hash, buckets: … }, or remove the field',
    ];
  });
}

const percent = (share: number): string => `${Math.round(100 * share)}%`;
