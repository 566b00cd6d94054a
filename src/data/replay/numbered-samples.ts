import { column, numberColumn, withColumns, type Batch } from '../../core/batch.js';
import type { Condition } from '../../core/conditions.js';
import { labelColumn, type Task } from '../../core/tasks.js';
import { FIRST_COLUMN, SAMPLE_COLUMN } from '../../delay/columns.js';
import type { LabelColumn } from '../rows/label-columns.js';
import { withFilter, type RowFormat } from '../rows/row-format.js';
import { hasDelay } from './replayed-dataset.js';
import { listMasks, RowSamples } from './row-samples.js';

// Rows of a stream with delayed labels are samples already; each has its number among those of its row.

const numberLabel: LabelColumn = {
  name: SAMPLE_COLUMN,
  type: 'number',
  columns: [SAMPLE_COLUMN],
  numberColumns: [SAMPLE_COLUMN],
  mayBeBlank: false,
  parse: Number,
};
const IS_FIRST: Condition = { column: SAMPLE_COLUMN, equals: 0 };

/** Returns the format of numbered samples if labels are delayed. */
export function numberedFormat(format: RowFormat): RowFormat {
  return hasDelay(format.spec.tasks) ? { ...format, labels: [...format.labels, numberLabel] } : format;
}

/** Returns the format of the first sample of each row if labels are delayed. */
export function firstSampleFormat(format: RowFormat): RowFormat {
  if (!hasDelay(format.spec.tasks)) return format;
  const { filter } = format.spec;
  const where = filter?.where === undefined ? IS_FIRST : { all: [filter.where, IS_FIRST] };
  return withFilter(format, { ...filter, where });
}

/**
 * Creates a function that writes the label columns of the samples of a batch, whose labels are those that are known at
 * the time of the sample. The batch that it returns also has the masks of `onFirstSamples`.
 */
export function sampleWriter({ spec: { tasks } }: RowFormat): (batch: Batch) => Batch {
  if (!hasDelay(tasks)) return (batch) => batch;
  const samples = new RowSamples(tasks);
  const plain = tasks.filter(({ delay }) => delay === undefined);
  const masks = [...new Set(plain.flatMap((task) => listMasks(task, tasks)))];
  return (batch) => {
    const numbers = column(batch, SAMPLE_COLUMN, 'f32').data;
    const [reader, write] = [samples.reader(batch), samples.writer(batch)];
    for (let row = 0; row < batch.rows; row++) write(reader.list(row)[numbers[row]!]!, row);
    const firstMasks = masks.map((name) => {
      const [mask, first] = [column(batch, name, 'f32').data, column(batch, FIRST_COLUMN, 'f32').data];
      return [formatFirstMask(name), numberColumn(mask.map((value, row) => value * first[row]!))] as const;
    });
    return withColumns(batch, firstMasks);
  };
}

/** A label with the mask of the rows on which it is measured. */
interface Measured {
  readonly label: string;
  readonly where: string | undefined;
}

/** Measures tasks without delay once per row if other labels are delayed. */
export function onFirstSamples<Output extends Measured>(
  outputs: readonly Output[],
  tasks: readonly Task[],
): readonly Output[] {
  if (!hasDelay(tasks)) return outputs;
  const delayed = new Set(tasks.filter(({ delay }) => delay !== undefined).map(labelColumn));
  return outputs.map((output) => {
    const { label, where } = output;
    if (delayed.has(label)) return output;
    return { ...output, where: where === undefined ? FIRST_COLUMN : formatFirstMask(where) };
  });
}

/** Formats the name of a mask that is 1 in the first sample of each row with another mask. */
function formatFirstMask(mask: string): string {
  return `${FIRST_COLUMN}.${mask}`;
}
