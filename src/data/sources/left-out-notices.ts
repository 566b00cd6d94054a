import { labelColumn, type Task } from '../../core/tasks.js';
import type { Dataset } from '../batches/dataset.js';
import { SPLITS, type Split } from '../options.js';
import { violationReason } from '../rows/label-rule.js';
import { OTHER_PART } from '../rows/row-filter.js';
import { SAMPLED_AWAY } from '../rows/sampling.js';

type Counted = Pick<Dataset, 'rows' | 'leftOut'> & Partial<Pick<Dataset, 'labelCounts'>>;

/**
 * What to tell of rows that are not among those of a split, a line each: how many for which reason, and what becomes of
 * the rates of labels.
 */
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
    const rates = ratesOf(dataset, tasks);
    return [
      `data.${split}: ${total} of ${dataset.rows + total} rows are excluded: ` +
        `${reasons.join(', ')}${rates.length === 0 ? '' : `; positive label rates: ${rates.join(', ')}`}`,
    ];
  });
}

/**
 * Of each label whose rate is another for it: in what share of the rows it is 1, and in what share with those left out
 * whose label is known.
 */
function ratesOf({ rows, leftOut, labelCounts = new Map() }: Counted, tasks: readonly Task[]): readonly string[] {
  const classes = tasks.filter(({ type }) => type === 'classification');
  return classes.flatMap((task) => {
    const ones = labelCounts.get(labelColumn(task));
    if (ones === undefined || rows === 0) return [];
    const [zerosOut, onesOut] = [leftOut.get(SAMPLED_AWAY) ?? 0, leftOut.get(violationReason(task)) ?? 0];
    const [now, before] = [percent(ones / rows), percent((ones + onesOut) / (rows + zerosOut + onesOut))];
    return now === before ? [] : [`${task.name} ${now} (${before} with excluded rows)`];
  });
}

const percent = (share: number): string => `${(100 * share).toPrecision(3)}%`;
