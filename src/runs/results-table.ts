import { csvText } from '../text/csv-text.js';
import type { Report } from '../evaluation/evaluation.js';
import type { MetricLines } from './metric-lines.js';

type Cells = Readonly<Record<string, string | number>>;

/**
 * Formats results.csv: a row for each epoch end and validation, with the training losses, and a row for test with the
 * weights of the best epoch. Contains no times, so that repeated runs have identical files.
 */
export function resultsTable({ milestones, results }: MetricLines): string {
  const rows = milestones.map(({ epoch, step, train, valid, isBest }): Cells => ({
    epoch,
    step,
    split: valid === undefined ? 'train' : 'valid',
    isBest: String(isBest),
    'train.loss': train.loss,
    ...Object.fromEntries(Object.entries(train.losses).map(([term, loss]) => [`train.${term}`, loss])),
    ...(valid !== undefined && { loss: valid.loss, ...flattenReport(valid.metrics) }),
  }));
  const best = milestones.findLast(({ isBest }) => isBest);
  const test = results?.metrics['test'];
  if (test !== undefined)
    rows.push({ epoch: results!.bestEpoch, step: best?.step ?? '', split: 'test', ...flattenReport(test) });
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return csvText([columns, ...rows.map((row) => columns.map((column) => row[column] ?? ''))]);
}

/** Flattens the numbers of a report to keys such as `ctr.auc`. */
export function flattenReport(report: Report): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(report).flatMap(([output, values]) =>
      Object.entries(values).flatMap(([metric, value]) =>
        typeof value === 'number' ? [[`${output}.${metric}`, value] as const] : [],
      ),
    ),
  );
}
