import { toBatch } from './batches.js';
import type { Batch } from '../../src/core/batch.js';
import { createCollector, type OutputReport } from '../../src/evaluation/evaluation.js';
import { evaluationSection, resolveMeasuring, type Measuring } from '../../src/evaluation/options.js';
import { listOutputs } from '../../src/evaluation/outputs.js';
import { KEY_WORDS, keyColumn } from '../../src/core/row-key.js';
import { taskOptions } from '../../src/core/tasks.js';

/** Rows of one task `y`, and integer columns to group them by. */
export interface MeasuredRows {
  readonly labels: ArrayLike<number>;
  readonly predictions: ArrayLike<number>;
  readonly columns?: Readonly<Record<string, ArrayLike<number>>>;
}

/** Parses an `evaluation` section. */
export const measuring = (section: object): Measuring => resolveMeasuring(evaluationSection.parse(section));

/** A batch of a range of these rows. */
export function batchOf({ labels, columns = {} }: MeasuredRows, begin = 0, end = labels.length): Batch {
  const words = (cells: ArrayLike<number>): Uint32Array =>
    Uint32Array.from({ length: KEY_WORDS * (end - begin) }, (_, i) =>
      i % KEY_WORDS === 0 ? cells[begin + i / KEY_WORDS]! : 0,
    );
  return toBatch({
    rows: end - begin,
    labels: new Map([['y', Float32Array.from(Array.from(labels).slice(begin, end))]]),
    keys: new Map(Object.entries(columns).map(([name, cells]) => [keyColumn(name), words(cells)])),
  });
}

/** The outputs of the task. */
export const spacesOfType = (type: 'classification' | 'regression') =>
  listOutputs([{ name: 'y', ...taskOptions.parse({ label: 'y', type }) }]);

/** Measures the rows, by output. */
export function reportOf(
  section: object,
  rows: MeasuredRows,
  type: 'classification' | 'regression' = 'classification',
): Readonly<Record<string, OutputReport>> {
  const collector = createCollector(spacesOfType(type), measuring(section));
  collector.add(batchOf(rows), new Map([['y', Float32Array.from(rows.predictions)]]));
  return collector.report();
}
