import { labelColumn, type Task } from '../../core/tasks.js';
import { hasTable, type EncodedField } from '../../features/feature.js';
import type { Dataset } from '../batches/dataset.js';
import { SPLITS, type Split } from '../options.js';
import { violationReason } from '../rows/label-rule.js';
import { OTHER_PART } from '../rows/row-filter.js';
import { SAMPLED_AWAY } from '../rows/sampling.js';

/** Returns the notice that lists the encodings that were chosen on the training set, if any. */
export function decisionNotices(fields: readonly EncodedField[]): readonly string[] {
  const decided = fields.flatMap(({ name, owner, decision }) =>
    decision === undefined || owner !== name ? [] : [`'${name}' is ${decision}`],
  );
  return decided.length === 0 ? [] : [`detected from the training set: ${decided.join(', ')}`];
}

type Counted = Pick<Dataset, 'rows' | 'leftOut'> & Partial<Pick<Dataset, 'labelCounts'>>;

/** Returns a warning for each split with excluded rows: their number by reason, and the effect on label rates. */
export function leftOutNotices(
  datasets: { readonly [S in Split]?: Counted | undefined },
  tasks: readonly Task[] = [],
): readonly string[] {
  return SPLITS.flatMap((split) => {
    const dataset = datasets[split];
    const leftOut = [...(dataset?.leftOut ?? [])].filter(([reason]) => reason !== OTHER_PART);
    const total = leftOut.reduce((sum, [, count]) => sum + count, 0);
    if (dataset === undefined || total === 0) return [];
    const reasons = leftOut.toSorted(([, a], [, b]) => b - a).map(([reason, count]) => `${reason} (${count})`);
    const rates = changedRates(dataset, tasks);
    return [
      `data.${split}: ${total} of ${dataset.rows + total} rows are excluded: ` +
        `${reasons.join(', ')}${rates.length === 0 ? '' : `; positive label rates: ${rates.join(', ')}`}`,
    ];
  });
}

/** Lists the positive label rates that differ without excluded rows, and with those whose label is known. */
function changedRates({ rows, leftOut, labelCounts = new Map() }: Counted, tasks: readonly Task[]): readonly string[] {
  const rate = (share: number): string => `${(100 * share).toPrecision(3)}%`;
  const classes = tasks.filter(({ type }) => type === 'classification');
  return classes.flatMap((task) => {
    const ones = labelCounts.get(labelColumn(task));
    if (ones === undefined || rows === 0) return [];
    const [zerosOut, onesOut] = [leftOut.get(SAMPLED_AWAY) ?? 0, leftOut.get(violationReason(task)) ?? 0];
    const [now, before] = [rate(ones / rows), rate((ones + onesOut) / (rows + zerosOut + onesOut))];
    return now === before ? [] : [`${task.name} ${now} (${before} with excluded rows)`];
  });
}

/** Returns a warning for each split and event log with rows whose user is not in the log. */
export function absentNotices(datasets: { readonly [S in Split]?: Dataset | undefined }): readonly string[] {
  return SPLITS.flatMap((split) => {
    const { rows, absentUsers = [] } = datasets[split] ?? {};
    const absent = [...absentUsers].filter(([, count]) => count > 0);
    return absent.map(
      ([log, count]) =>
        `data.${split}: the user of ${count} of ${rows} rows is not in data.sequences.${log}, ` +
        'so these rows have no items',
    );
  });
}

/** By split and field: share of ids, or of items of bags, that are OOV. Only fields whose ids were counted. */
export type UnknownShares = { readonly [S in Split]?: Readonly<Record<string, number>> };

/** Minimum OOV share for a warning. */
const HIGH = 0.2;
/** Minimum OOV share of the validation and test set for a warning, as a multiple of the share of the training set. */
const MORE_THAN_TRAIN = 2;

/** Computes the OOV shares of data sets. */
export function unknownShares(datasets: { readonly [S in Split]?: Dataset | undefined }): UnknownShares {
  return Object.fromEntries(
    SPLITS.flatMap((split) => {
      const counted = [...(datasets[split]?.idCounts ?? [])].filter(([, { ids }]) => ids > 0);
      const shares = counted.map(([field, { ids, unknown }]) => [field, unknown / ids] as const);
      return shares.length === 0 ? [] : [[split, Object.fromEntries(shares)]];
    }),
  );
}

/** Returns a warning for each field with a high OOV share. */
export function unknownNotices(shares: UnknownShares, fields: readonly EncodedField[]): readonly string[] {
  const percent = (share: number): string => `${Math.round(100 * share)}%`;
  const shareOf = (split: Split, field: string): number =>
    Object.hasOwn(shares[split] ?? {}, field) ? shares[split]![field]! : 0;
  return fields.filter(hasTable).flatMap(({ name, direct }) => {
    const trainShare = shareOf('train', name);
    // A stored id of 0 may have a meaning of its own.
    if (trainShare > HIGH && direct?.cell !== 'id') {
      return [
        `field '${name}': ${percent(trainShare)} of the training set is out of vocabulary and ` +
          "shares one id; lower the encoding's minCount, use encoding { name: hash, buckets: … }, " +
          'or remove the field if its values are missing',
      ];
    }
    const split = (['valid', 'test'] as const).find(
      (each) => shareOf(each, name) > Math.max(HIGH, MORE_THAN_TRAIN * trainShare),
    );
    if (split === undefined) return [];
    return [
      `field '${name}': ${percent(shareOf(split, name))} of the ${split === 'valid' ? 'validation' : 'test'} set is ` +
        `out of vocabulary, but only ${percent(trainShare)} of the training set; train on more or newer ` +
        'rows, use encoding { name: hash, buckets: … }, or remove the field',
    ];
  });
}
