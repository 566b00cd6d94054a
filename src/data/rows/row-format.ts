import type { BlockColumn } from '../../chunks/row-block.js';
import { keyColumn } from '../../core/row-key.js';
import { listDelayed } from '../../delay/delays.js';
import { joinCells, type CellOptions } from '../../features/cells.js';
import type { EncodedField, Field } from '../../features/feature.js';
import {
  encodedFields,
  encodingOptions,
  createFields,
  type FeatureSpec,
  type Fitted,
} from '../../features/feature-types.js';
import { givenColumn, normalizeGiven, labelCheck, labelColumn, taskColumns, type Task } from '../../core/tasks.js';
import { eventStorage } from './event-columns.js';
import { listLabelColumns, type LabelColumn } from './label-columns.js';
import { itemCountFields } from '../../features/item-counts.js';
import { fieldColumn } from '../../features/kinds/kinds.js';
import type { EventLogs } from '../../features/event-log.js';
import type { LookupTables } from '../../features/lookups.js';
import { maskColumns } from './label-rule.js';
import { filterColumns, type RowFilter } from './row-filter.js';
import type { Sampling } from '../sampling-options.js';

/** Columns that are read from a row, and the rules that it must follow. */
export interface RowFormat {
  readonly fields: readonly Field[];
  readonly labels: readonly LabelColumn[];
  /** Names of the masks, which the label rule computes. */
  readonly masks: readonly string[];
  /** Data columns whose values are stored as keys. */
  readonly keys: readonly string[];
  /** Labels that may be 1 only if another label is 1, such as a purchase after a click. */
  readonly funnels: readonly { readonly label: string; readonly given: string }[];
  /** Plain data from which a thread can build the format again. */
  readonly spec: FormatSpec;
}

/** Options of a format. Plain data. */
export interface FormatSpec {
  readonly tasks: readonly Task[];
  readonly groups: readonly FeatureSpec[];
  /** Condition on rows; default: all rows. */
  readonly filter?: RowFilter | undefined;
  /** Sampling of negatives, for the training set. */
  readonly sampling?: Sampling | undefined;
  /** Cleaning of all columns. */
  readonly cells?: CellOptions;
  /** Key columns of metrics that group rows; training rows do not have them. */
  readonly keys?: readonly string[] | undefined;
  /**
   * Key columns of losses that group rows; default: the key columns of the tasks. Training rows have them too, and
   * batches have the groups as labels (`groupColumn`).
   */
  readonly lossKeys?: readonly string[] | undefined;
  /** Side tables that the fields read. */
  readonly lookups?: LookupTables;
  /** Event logs that have items of sequences; default: rows have all items. */
  readonly logs?: EventLogs;
  /** Whether rows have the numbers of items of their sequences before `keep` limits them. Default: false. */
  readonly countsItems?: boolean;
}

/** A format with the encoders of its fields. */
export interface EncodedFormat extends RowFormat {
  readonly fields: readonly EncodedField[];
  readonly fitted: Fitted;
}

/** Creates the format of a config. */
export function createRowFormat(spec: FormatSpec): RowFormat {
  const { tasks, groups } = spec;
  const lossKeys = spec.lossKeys ?? [...new Set(tasks.flatMap(({ lossKey }) => lossKey ?? []))];
  const cells = joinCells({}, spec.cells ?? {});
  const funnels = tasks.flatMap((task) => {
    const given = givenColumn(task, tasks);
    return task.type === 'classification' && given !== undefined && normalizeGiven(task)!.violations === 'error'
      ? [{ label: labelColumn(task), given }]
      : [];
  });
  const fields = createFields(groups, cells, spec.lookups, spec.logs);
  return {
    fields: spec.countsItems === true ? [...fields, ...itemCountFields(fields)] : fields,
    labels: listLabelColumns(tasks, cells),
    masks: maskColumns(tasks),
    keys: [...new Set([...(spec.keys ?? []), ...lossKeys])],
    funnels,
    spec: { ...spec, cells, lossKeys },
  };
}

/** Returns the format for the rows of a filter; undefined for all rows. */
export function withFilter<Format extends RowFormat>(format: Format, filter: RowFilter | undefined): Format {
  return { ...format, spec: { ...format.spec, filter } };
}

/** Returns the format with other key columns for metrics. */
export function withKeys<Format extends RowFormat>(format: Format, keys: readonly string[]): Format {
  return { ...format, keys: [...new Set([...keys, ...(format.spec.lossKeys ?? [])])], spec: { ...format.spec, keys } };
}

/** Returns the format for training rows, without the keys of metrics, so that they share a cache. */
export function trainedFormat<Format extends RowFormat>(format: Format): Format {
  return withKeys(format, []);
}

/** Returns the format without sampling. */
export function unsampled<Format extends RowFormat>(format: Format): Format {
  return { ...format, spec: { ...format.spec, sampling: undefined } };
}

/**
 * Adds encoders to a format.
 * @throws UserError (checkpoint) if `fitted` does not match its fields
 */
export function encodedFormat(format: RowFormat, fitted: Fitted): EncodedFormat {
  return { ...format, fields: encodedFields(format.fields, fitted), fitted };
}

/** Returns all options that determine encoded rows, except fitted parameters. JSON, for cache keys. */
export function toRecipe({ labels, funnels, keys, spec }: RowFormat): unknown {
  const { cells, filter, sampling, lookups = [], logs = [] } = spec;
  return {
    labels: labels.map(({ name, type, mayBeBlank }) => [name, type, mayBeBlank]),
    funnels,
    groups: spec.groups.map(encodingOptions),
    cells,
    tasks: spec.tasks.map((task) => {
      const { label, given, onMissing, scaling, labelRange } = task;
      const checked = labelCheck(task) && { scaling, labelRange };
      return { columns: taskColumns(task, spec.tasks), label, given, onMissing, checked };
    }),
    delayed: listDelayed(spec.tasks).map(({ task, options: { from, event, format }, columns, settled }) => [
      task.name,
      from,
      event,
      format,
      columns,
      settled,
    ]),
    keys,
    filter,
    sampling,
    lookups: [...lookups].map(([name, { digest }]) => [name, digest]),
    logs: [...logs].map(([name, { key, until, digest }]) => [name, key, until, digest]),
  };
}

/** Returns the data columns that a format reads. */
export function dataColumns({ fields, labels, keys, spec }: RowFormat): readonly string[] {
  return [
    ...new Set([
      ...labels.flatMap(({ columns }) => columns),
      ...fields.flatMap(({ columns }) => columns),
      ...(spec.filter === undefined ? [] : filterColumns(spec.filter)),
      ...keys,
    ]),
  ];
}

/** Returns the storage of the rows of a format's batches. */
export function blockColumns(format: RowFormat): readonly BlockColumn[] {
  return [
    ...labelStorage(format),
    ...format.fields.map(fieldColumn),
    ...format.keys.map((column): BlockColumn => ({ name: keyColumn(column), kind: 'key' })),
  ];
}

/** Returns the storage of a format's encoded rows without the items of event logs, which batches have. */
export function storedColumns(format: RowFormat): readonly BlockColumn[] {
  const fields = format.fields.filter(({ logged }) => logged === undefined);
  return [...blockColumns({ ...format, fields }), ...eventStorage(format.fields)];
}

/** Returns the storage of labels and masks. */
export function labelStorage({ labels, masks }: RowFormat): BlockColumn[] {
  return [...labels.map(({ name }) => name), ...masks].map((name) => ({ name, kind: 'label' }));
}
