import type { BlockColumn } from '../../chunks/row-block.js';
import { keyColumn } from '../../core/row-key.js';
import { createCleaner, joinCells, type CellOptions } from '../../features/cells.js';
import type { EncodedField, Field } from '../../features/feature.js';
import {
  encodedFields,
  encodingOptions,
  fieldsOf,
  type FeatureSpec,
  type Fitted,
} from '../../features/feature-types.js';
import { givenColumn, normalizeGiven, labelCheck, labelColumn, type Task } from '../../core/tasks.js';
import { cleanLabel } from './clean-cells.js';
import { labelColumnsOf, type LabelColumn } from './label-columns.js';
import { fieldColumn } from '../../features/kinds/kinds.js';
import { maskColumns } from './label-rule.js';
import { filterColumns, type RowFilter } from './row-filter.js';
import type { Sampling } from '../sampling-options.js';

/** A label that may be 1 only where another is: a purchase needs a click. */
export interface Funnel {
  readonly label: string;
  readonly given: string;
}

/** What is read from a row, and what must hold in it. */
export interface RowFormat {
  readonly fields: readonly Field[];
  readonly labels: readonly LabelColumn[];
  /** Names of the label columns that are made of those: masks. */
  readonly masks: readonly string[];
  /** Columns of the data whose cells are kept as keys beside the features. */
  readonly keys: readonly string[];
  readonly funnels: readonly Funnel[];
  /** Plain data that the format can be made from again. */
  readonly spec: FormatSpec;
}

/** What a config says about its rows. */
export interface FormatSpec {
  readonly tasks: readonly Task[];
  readonly groups: readonly FeatureSpec[];
  /** Which rows are wanted; all where it is not given. */
  readonly filter?: RowFilter | undefined;
  /** Negatives that are left out by chance; of train alone. */
  readonly sampling?: Sampling | undefined;
  /** What is said of all cells. */
  readonly cells?: CellOptions;
  /**
   * Columns whose cells are kept as keys (row-key.ts): what metrics group rows by. Rows to train on have none of them.
   */
  readonly keys?: readonly string[] | undefined;
  /**
   * Key columns of losses that group rows; default: those of the tasks. Training rows have them too, and batches have
   * the groups as labels (`groupColumn`).
   */
  readonly lossKeys?: readonly string[] | undefined;
}

/** A format whose fields are ready to encode. */
export interface EncodedFormat extends RowFormat {
  readonly fields: readonly EncodedField[];
  readonly fitted: Fitted;
}

/** The format that a config asks for. */
export function rowFormatOf(spec: FormatSpec): RowFormat {
  const { tasks, groups } = spec;
  const lossKeys = spec.lossKeys ?? [...new Set(tasks.flatMap(({ lossKey }) => lossKey ?? []))];
  const cells = joinCells({}, spec.cells ?? {});
  const funnels = tasks.flatMap((task) => {
    const given = givenColumn(task, tasks);
    return task.type === 'classification' && given !== undefined && normalizeGiven(task)!.violations === 'error'
      ? [{ label: labelColumn(task), given }]
      : [];
  });
  return {
    fields: fieldsOf(groups, cells),
    labels: labelColumnsOf(tasks).map((label) => cleanLabel(label, cells)),
    masks: maskColumns(tasks),
    keys: [...new Set([...(spec.keys ?? []), ...lossKeys])],
    funnels,
    spec: { ...spec, cells, lossKeys },
  };
}

/** The same format for some of the rows. */
export function withFilter<Format extends RowFormat>(format: Format, filter: RowFilter): Format {
  return { ...format, spec: { ...format.spec, filter } };
}

/** Returns the format for all rows. */
export function withoutFilter<Format extends RowFormat>(format: Format): Format {
  return { ...format, spec: { ...format.spec, filter: undefined } };
}

/** The same format with other columns kept as keys for metrics. */
export function withKeys<Format extends RowFormat>(format: Format, keys: readonly string[]): Format {
  return { ...format, keys: [...new Set([...keys, ...(format.spec.lossKeys ?? [])])], spec: { ...format.spec, keys } };
}

/** The same format for rows to train on, without the keys that only metrics need: plain caches serve them. */
export function trainedFormat<Format extends RowFormat>(format: Format): Format {
  return withKeys(format, []);
}

/** The same format with no row left out by chance. */
export function unsampled<Format extends RowFormat>(format: Format): Format {
  return { ...format, spec: { ...format.spec, sampling: undefined } };
}

/**
 * The format with what was learned on train.
 * @throws UserError (checkpoint) where `fitted` is not what its fields learn
 */
export function encodedFormat(format: RowFormat, fitted: Fitted): EncodedFormat {
  return { ...format, fields: encodedFields(format.fields, fitted), fitted };
}

/** All that decides what a row becomes, but for what is learned on train; JSON. */
export function recipeOf({ labels, funnels, keys, spec }: RowFormat): unknown {
  // What is no plain column, and what its blanks and violations are, is said by the tasks; those that say nothing are
  // as they ever were.
  const said = spec.tasks.flatMap((task) => {
    const { name, label, given, onMissing: missing, scaling, labelRange } = task;
    const isChecked = labelCheck(task) !== undefined;
    const isPlain =
      typeof label === 'string' &&
      (given === undefined || (typeof given === 'string' && givenColumn(task, spec.tasks) === given)) &&
      missing === 'error' &&
      !isChecked;
    return isPlain ? [] : [{ name, label, given, missing, ...(isChecked && { scaling, labelRange }) }];
  });
  const blanks = labels.filter(({ mayBeBlank }) => mayBeBlank).map(({ name }) => name);
  const isCleaned = spec.cells !== undefined && createCleaner(spec.cells) !== undefined;
  return {
    labels: labels.map(({ name, type }) => [name, type]),
    funnels,
    groups: spec.groups.map(encodingOptions),
    ...(isCleaned && { cells: spec.cells }),
    ...(said.length > 0 && { tasks: said }),
    ...(blanks.length > 0 && { blanks }),
    ...(keys.length > 0 && { keys }),
    filter: spec.filter,
    sampling: spec.sampling,
  };
}

/** The columns that a format reads. */
export function columnsOf({ fields, labels, keys, spec }: RowFormat): readonly string[] {
  return [
    ...new Set([
      ...labels.flatMap(({ columns }) => columns),
      ...fields.flatMap(({ columns }) => columns),
      ...(spec.filter === undefined ? [] : filterColumns(spec.filter)),
      ...keys,
    ]),
  ];
}

/** Returns the storage of a format's encoded rows. */
export function blockColumns({ fields, labels, masks, keys }: RowFormat): readonly BlockColumn[] {
  return [
    ...[...labels.map(({ name }) => name), ...masks].map((name): BlockColumn => ({ name, kind: 'label' })),
    ...fields.map(fieldColumn),
    ...keys.map((column): BlockColumn => ({ name: keyColumn(column), kind: 'key' })),
  ];
}
