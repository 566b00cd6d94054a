import { labelCheck, labelColumn, type Task } from '../../core/tasks.js';
import { parseClass, parseNumber } from '../../features/parse.js';
import { InvalidValueError } from '../../text/invalid-value.js';
import { listLabelColumns } from '../rows/label-columns.js';

/**
 * Maximum magnitude of a summed value. The sum of 10^14 such values is a 32-bit float, and no window has more rows.
 */
const MAX_SUMMED_VALUE = 1e24;

/** How the values of a label are read. */
export interface LabelReader {
  /** JSON that determines which values are valid. */
  readonly recipe: unknown;
  /**
   * Returns the value of a text; NaN if it is missing.
   * @throws InvalidValueError for a value that the tasks of the label do not accept, and for too large a number
   */
  read(text: string): number;
}

/**
 * Creates the reader of a label or number that counters sum.
 * @param tasks of the config, of which some may have the label
 */
export function createLabelReader(name: string, tasks: readonly Task[]): LabelReader {
  const isClass = listLabelColumns(tasks).some((label) => label.name === name && label.type === 'class');
  const own = tasks.filter((task) => task.type === 'regression' && labelColumn(task) === name);
  const checks = own.flatMap((task) => labelCheck(task) ?? []);
  const recipe = [isClass, own.map(({ labelRange, scaling }) => [labelRange, scaling])];
  return {
    recipe,
    read(text) {
      if (text === '') return NaN;
      if (isClass) return parseClass(text, name);
      const value = parseNumber(text);
      if (Math.abs(value) > MAX_SUMMED_VALUE)
        throw new InvalidValueError(
          `a number from -${MAX_SUMMED_VALUE} to ${MAX_SUMMED_VALUE}, since counters sum it`,
          'correct the row',
        );
      for (const check of checks) check(value);
      return value;
    },
  };
}
