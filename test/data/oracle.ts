import { conditionColumns, LIMITS, numberColumns, type Condition } from '../../src/core/conditions.js';
import { mix, streamKey } from '../../src/core/random.js';
import {
  findChain,
  givenColumn,
  labelColumn,
  normalizeGiven,
  rootTasks,
  taskColumns,
  tasksGiven,
  weightColumn,
  type Task,
} from '../../src/core/tasks.js';
import { readDate } from '../../src/text/dates.js';
import {
  Bad,
  buildFields,
  cleaner,
  murmur3,
  numberOf,
  toNumber,
  withPoint,
  type CellOptions,
  type Field,
} from './oracle-fields.js';
import type { GroupOptions, Items, Value } from './oracle-fields.js';

// What training gets from rows of cells: a slow and obvious implementation of docs/reference/data.md, features.md and
// labels.md, which shares no code with src/data and src/features.

/** A value as Python's csv gives it, or a JSON list. */
export type Cell = string | { readonly list: string };

/** A row of a file; one without cells cannot be taken apart. */
export interface TableRow {
  readonly line: number;
  readonly cells: Readonly<Record<string, Cell>> | undefined;
}

/** A file, in the order of its source. */
export interface TableFile {
  readonly path: string;
  readonly rows: readonly TableRow[];
  /** Columns of its directories. */
  readonly constants: Readonly<Record<string, string>>;
}

/** The sections of a config that decide what rows become. */
export interface OracleSetup {
  readonly tasks: readonly Task[];
  readonly groups: readonly GroupOptions[];
  readonly keys: readonly string[];
  readonly data: CellOptions & {
    readonly onBadRow?: 'error' | 'skip';
    readonly where?: Condition;
    readonly split?: SplitRule;
    readonly negativeSampling?: { readonly rate: number; readonly seed?: number };
  };
}

type Part = 'train' | 'valid' | 'test';
type Range = { readonly from?: number | string; readonly to?: number | string };

/** A split as in a config. */
export interface SplitRule {
  readonly by: 'key' | 'random' | 'date';
  readonly column?: string;
  readonly seed?: number;
  readonly shares?: { readonly [P in Part]?: number };
  readonly train?: Range;
  readonly valid?: Range;
  readonly test?: Range;
}

/** An encoded row. */
export interface OracleRow {
  readonly features: Readonly<Record<string, Value>>;
  readonly labels: Readonly<Record<string, number>>;
  readonly keys: Readonly<Record<string, readonly [number, number]>>;
}

/** A row that is not excluded: encoded, or undefined if it is invalid, with its original values. */
export interface PassedRow {
  readonly cells: Readonly<Record<string, string>>;
  readonly row: OracleRow | undefined;
}

/** The rows of a part. */
export interface Expected {
  readonly rows: readonly OracleRow[];
  readonly passed: readonly PassedRow[];
  /** Place and column of each invalid row. */
  readonly rejects: readonly (readonly [place: string, column: string | undefined])[];
  readonly leftOut: Readonly<Record<string, number>>;
}

/** Why negatives are excluded. */
export const SAMPLED = 'negatives beyond the sample';

/** Thrown if the training set has nothing to learn from. */
export class NothingToLearn extends Error {}

/** A row that is excluded. */
class LeftOut {
  constructor(readonly reason: string) {}
}

interface ReadRow {
  readonly labels: Record<string, number>;
  readonly items: readonly Items[];
}

/** All that rows are read with. */
interface RowReading extends OracleSetup {
  readonly fields: readonly Field[];
  readonly labels: readonly LabelReader[];
  readonly filterColumns: readonly string[];
  readonly clean: (text: string) => string;
}

/** Fits on the training files; returns a function that encodes the files of a part. */
export function createOracle(
  setup: OracleSetup,
  train: readonly TableFile[],
): (part: Part, files: readonly TableFile[]) => Expected {
  const { groups, data, tasks } = setup;
  const reading: RowReading = {
    ...setup,
    fields: buildFields(groups, data),
    labels: labelReaders(tasks),
    filterColumns: filterColumns(data),
    clean: cleaner(data),
  };
  const { fields } = reading;
  const learned: ReadRow[] = [];
  for (const file of train) {
    const isKept = sampler(setup, true);
    for (const row of file.rows) {
      const found = readRow(reading, file, row, 'train', (field, items) => field.check(items));
      if ('labels' in found && isKept(found.labels)) learned.push(found);
    }
  }
  for (const field of fields.filter(({ name, owner }) => name === owner)) {
    const sharing = fields.map((other, f) => (other.owner === field.name ? f : -1)).filter((f) => f >= 0);
    const isLearned = field.learn(learned.flatMap(({ items }) => sharing.map((f) => items[f]!)));
    if (!isLearned) throw new NothingToLearn();
  }
  return (part, files) => encodeFiles(reading, part, files);
}

function encodeFiles(reading: RowReading, part: Part, files: readonly TableFile[]): Expected {
  const [rows, passed, rejects]: [OracleRow[], PassedRow[], [string, string | undefined][]] = [[], [], []];
  const leftOut: Record<string, number> = {};
  const count = (reason: string): void => void (leftOut[reason] = (leftOut[reason] ?? 0) + 1);
  const lossKeys = reading.tasks.flatMap(({ lossKey }) => lossKey ?? []);
  const keys = [...(part === 'train' ? [] : reading.keys), ...lossKeys];
  for (const file of files) {
    const isKept = sampler(reading, part === 'train');
    for (const row of file.rows) {
      const cells = { ...textsOf(row.cells ?? {}), ...file.constants };
      const features: Record<string, Value> = {};
      const found = readRow(reading, file, row, part, (field, items) => (features[field.name] = field.encode(items)));
      if (found instanceof LeftOut) count(found.reason);
      else if (found instanceof Bad) {
        rejects.push([`${file.path}:${row.line}`, found.column]);
        passed.push({ cells, row: undefined });
      } else {
        const keyed = Object.fromEntries(keys.map((name) => [name, keyOf(reading.clean(cells[name]!))]));
        const encoded = { features, labels: found.labels, keys: keyed };
        passed.push({ cells, row: encoded });
        if (isKept(found.labels)) rows.push(encoded);
        else count(SAMPLED);
      }
    }
  }
  return { rows, passed, rejects, leftOut };
}

const textsOf = (cells: Readonly<Record<string, Cell>>): Record<string, string> =>
  Object.fromEntries(Object.entries(cells).map(([name, cell]) => [name, typeof cell === 'string' ? cell : cell.list]));

/** Reads a row in the order in which problems count: shape, filter, labels, features, label rules. */
function readRow(
  { data, tasks, fields, labels: readers, filterColumns: filtering, clean }: RowReading,
  { constants }: TableFile,
  { cells, line }: TableRow,
  part: Part,
  seen: (field: Field, items: Items) => unknown,
): ReadRow | LeftOut | Bad {
  if (cells === undefined) return new Bad();
  const all: Readonly<Record<string, Cell>> = { ...cells, ...constants };
  let column: string | undefined;
  // Columns of directory names are not among those of the row.
  const named = (names: readonly string[]): string => names.filter((name) => !(name in constants)).join(', ');
  try {
    const texts = textsOf(all);
    for (const name of filtering) {
      column = name;
      if (data.where !== undefined && numberColumns(data.where).includes(name))
        texts[name] = withPoint(texts[name]!, data.decimal);
      texts[name] = clean(texts[name]!);
    }
    column = undefined;
    const reason = excluded(data, part, texts, line);
    if (reason !== undefined) return new LeftOut(reason);
    const labels: Record<string, number> = {};
    for (const label of readers) {
      column = named(label.columns);
      const values = label.columns.map((name) => {
        const cell = all[name]!;
        if (typeof cell !== 'string') throw new Bad();
        return clean(label.numbers.includes(name) ? withPoint(cell, data.decimal) : cell);
      });
      labels[label.name] = label.read((name) => values[label.columns.indexOf(name)]!);
    }
    const items = fields.map((field) => {
      column = named(field.columns);
      const read = field.read(field.columns.map((name) => all[name]!));
      seen(field, read);
      return read;
    });
    column = undefined;
    const blank = settleLabels(tasks, labels);
    return blank === undefined ? { labels, items } : new LeftOut(blank);
  } catch (error) {
    if (error instanceof Bad) return new Bad(column);
    throw error;
  }
}

function filterColumns({ where, split }: OracleSetup['data']): readonly string[] {
  return [
    ...new Set([
      ...(split?.column === undefined ? [] : [split.column]),
      ...(where === undefined ? [] : conditionColumns(where)),
    ]),
  ];
}

/** Returns why a row is in no set, or in another than `part`. */
function excluded(
  { where, split }: OracleSetup['data'],
  part: Part,
  texts: Readonly<Record<string, string>>,
  line: number,
): string | undefined {
  if (split !== undefined) {
    if (split.by === 'date' && texts[split.column!] === '')
      return `missing value in the split column '${split.column!}'`;
    const found = split.by === 'date' ? partByDate(split, texts) : partByShare(split, texts, line);
    if (found !== part) return found === undefined ? 'in no part of the split' : 'in another part of the split';
  }
  return where === undefined || holds(where, (name) => texts[name]!) === true ? undefined : 'excluded by data.where';
}

function partByDate({ column, ...ranges }: SplitRule, texts: Readonly<Record<string, string>>): Part | undefined {
  const within = ({ from: atLeast, to: atMost }: Range): boolean =>
    holds({ column: column!, atLeast, atMost }, (name) => texts[name]!) === true;
  const later = [ranges.valid, ranges.test].filter((range) => range !== undefined);
  const isBefore = later.map(({ from }) => holds({ column: column!, below: from! }, (name) => texts[name]!) === true);
  if (ranges.train === undefined ? isBefore.every((each) => each) : within(ranges.train)) return 'train';
  if (ranges.valid !== undefined && within(ranges.valid)) return 'valid';
  return ranges.test !== undefined && within(ranges.test) ? 'test' : undefined;
}

function partByShare(
  { by, column, seed = 0, shares = {} }: SplitRule,
  texts: Readonly<Record<string, string>>,
  line: number,
): Part | undefined {
  const lineBytes = Buffer.alloc(8);
  lineBytes.writeUInt32LE(line);
  const bytes = by === 'key' ? Buffer.from(texts[column!]!) : lineBytes;
  const share = murmur3(bytes, 0x5917c3a1 ^ seed) / 2 ** 32;
  const { valid = 0, test = 0, train = 1 - valid - test } = shares;
  if (share < train) return 'train';
  if (share < train + valid) return 'valid';
  return share < train + valid + test ? 'test' : undefined;
}

const TRUTHS = { true: ['true', 'True', 'TRUE', '1'], false: ['false', 'False', 'FALSE', '0'] };

/** Evaluates a condition in three-valued logic; undefined is unknown. */
function holds(condition: Condition, textOf: (column: string) => string): boolean | undefined {
  const { column, all, any: some, not, equals, oneOf, isNull } = condition;
  if (all !== undefined || some !== undefined) {
    const found = (all ?? some!).map((each) => {
      try {
        return holds(each, textOf);
      } catch (error) {
        if (error instanceof Bad) return error;
        throw error;
      }
    });
    if (found.includes(all === undefined)) return all === undefined;
    const bad = found.find((each) => each instanceof Bad);
    if (bad !== undefined) throw bad;
    return found.includes(undefined) ? undefined : all !== undefined;
  }
  if (not !== undefined) {
    const found = holds(not, textOf);
    return found === undefined ? undefined : !found;
  }
  const text = textOf(column!);
  if (isNull !== undefined) return (text === '') === isNull;
  if (text === '') return undefined;
  for (const values of [equals === undefined ? undefined : [equals], oneOf]) {
    if (values === undefined) continue;
    if (values.every((value) => typeof value === 'boolean') && ![...TRUTHS.true, ...TRUTHS.false].includes(text))
      throw new Bad();
    const isEqual = values.some((value) =>
      typeof value === 'boolean'
        ? TRUTHS[`${value}`].includes(text)
        : typeof value === 'string'
          ? text === value
          : numberOf(text) === value,
    );
    if (!isEqual) return false;
  }
  return LIMITS.every((word) => condition[word] === undefined || compares(text, word, condition[word]));
}

function compares(text: string, word: (typeof LIMITS)[number], limit: number | string): boolean {
  const value = typeof limit === 'string' ? readDate(text)?.begin : numberOf(text);
  if (value === undefined) throw new Bad();
  const { begin, end } = typeof limit === 'string' ? readDate(limit)! : { begin: limit, end: limit };
  const isAfter = end > begin ? value >= end : value > end;
  return { above: isAfter, atLeast: value >= begin, below: value < begin, atMost: !isAfter }[word];
}

interface LabelReader {
  readonly name: string;
  readonly columns: readonly string[];
  /** Columns with numbers. */
  readonly numbers: readonly string[];
  /** Returns NaN for a missing label that the row may have. */
  read(textOf: (column: string) => string): number;
}

function labelReaders(tasks: readonly Task[]): readonly LabelReader[] {
  const classes = new Set(
    tasks.flatMap((task) => [task.type === 'classification' ? labelColumn(task) : '', givenColumn(task, tasks) ?? '']),
  );
  const plain = (name: string, mayBeMissing: boolean): LabelReader => ({
    name,
    columns: [name],
    numbers: [name],
    read(textOf) {
      if (textOf(name) === '' && mayBeMissing) return NaN;
      const value = toNumber(textOf(name));
      if (classes.has(name) && value !== 0 && value !== 1) throw new Bad();
      return value;
    },
  });
  const readers = tasks.flatMap((task): LabelReader[] => {
    const name = labelColumn(task);
    const { label } = task;
    const others = tasks.filter((other) => labelColumn(other) === name);
    const mayBeMissing = others.every(({ given, onMissing }) => given !== undefined || onMissing !== 'error');
    const conditional = (condition: Condition): LabelReader => ({
      name,
      columns: conditionColumns(condition),
      numbers: numberColumns(condition),
      read(textOf) {
        const found = holds(condition, textOf);
        if (found === undefined && !mayBeMissing) throw new Bad();
        return found === undefined ? NaN : Number(found);
      },
    });
    const given = normalizeGiven(task);
    return [
      typeof label === 'string' ? plain(label, mayBeMissing) : conditional(label),
      ...(given !== undefined && tasksGiven(task, tasks).length === 0 ? [plain(given.named, false)] : []),
    ];
  });
  const weights = tasks.flatMap(({ sampleWeight: column }): LabelReader[] => {
    const read = (textOf: (column: string) => string): number => {
      const weight = toNumber(textOf(column!));
      if (weight < 0) throw new Bad();
      return weight;
    };
    return column === undefined ? [] : [{ name: weightColumn(column), columns: [column], numbers: [column], read }];
  });
  const all = [...readers, ...weights];
  return all.filter(({ name }, i) => all.findIndex((other) => other.name === name) === i);
}

/** Checks the labels of a row together and adds masks; returns why the row is excluded. */
function settleLabels(tasks: readonly Task[], labels: Record<string, number>): string | undefined {
  for (const task of tasks) {
    const { label, known, mask, chainKnown } = taskColumns(task, tasks);
    const [value, given] = [labels[label]!, normalizeGiven(task)];
    const [parent] = tasksGiven(task, tasks);
    const parentValue = given && labels[givenColumn(task, tasks)!]!;
    const isDefined =
      parentValue === undefined
        ? true
        : !Number.isNaN(parentValue)
          ? parentValue === 1
          : parent?.onMissing === 'mask'
            ? undefined
            : false;
    const what = typeof task.label === 'string' ? task.label : `the label of ${task.name}`;
    const violations = task.type === 'classification' && given !== undefined ? given.violations : 'keep';
    if (Number.isNaN(value)) {
      if (isDefined === true && task.onMissing === 'error') throw new Bad();
      if (isDefined === true && task.onMissing === 'drop') return `${what} is missing`;
    } else if (value === 1 && isDefined === false && violations !== 'keep') {
      if (violations === 'error') throw new Bad();
      return `${what} is 1 and ${given!.named} is not`;
    } else if (task.labelRange !== undefined) {
      if (value < task.labelRange.atLeast || value > (task.labelRange.atMost ?? Infinity)) throw new Bad();
    } else if ([task.scaling].flat().includes('log1p') && value <= -1) throw new Bad();
    if (known !== undefined) labels[known] = Number(!Number.isNaN(value));
    if (known !== undefined && given !== undefined) labels[mask!] = Number(isDefined === true && !Number.isNaN(value));
    if (chainKnown !== undefined && chainKnown !== known)
      labels[chainKnown] = Number(isChainKnown(findChain(task, tasks)!, labels));
  }
  for (const task of tasks) if (Number.isNaN(labels[labelColumn(task)])) labels[labelColumn(task)] = 0;
  return undefined;
}

/**
 * Returns whether it is known if all labels of a chain are 1. A missing label without `mask` is 0, unless its parent is
 * unknown.
 */
function isChainKnown(chain: readonly Task[], labels: Readonly<Record<string, number>>): boolean {
  let isKnown = true;
  for (const { onMissing, ...task } of chain) {
    const value = labels[labelColumn(task)]!;
    const isUnknown: boolean = Number.isNaN(value) && (onMissing === 'mask' || (onMissing !== 'negative' && !isKnown));
    if (!isUnknown && value !== 1) return true;
    isKnown &&= !isUnknown;
  }
  return isKnown;
}

/** Returns the function that keeps or excludes the usable rows of a file, in order. */
function sampler(
  { data, tasks }: OracleSetup,
  isTraining: boolean,
): (labels: Readonly<Record<string, number>>) => boolean {
  const { negativeSampling: sampling } = data;
  if (sampling === undefined || !isTraining) return () => true;
  const key = streamKey(sampling.seed ?? 0, 'negatives');
  const classes = tasks.filter(({ type }) => type === 'classification').map(labelColumn);
  const knowns = rootTasks(tasks).flatMap((task) => taskColumns(task, tasks).known ?? []);
  let row = 0;
  return (labels) =>
    mix(mix(row++) ^ key) / 2 ** 32 < sampling.rate ||
    classes.some((name) => labels[name] === 1) ||
    knowns.some((name) => labels[name] !== 1);
}

/** The two words that identify a value. */
function keyOf(text: string): readonly [number, number] {
  if (text === '') return [0, 0x40000000];
  const number = Number(text);
  if (/^(0|[1-9]\d*)$/.test(text) && Number.isSafeInteger(number))
    return [number % 2 ** 32, Math.floor(number / 2 ** 32)];
  const bytes = Buffer.from(text);
  return [murmur3(bytes, 0x6b657931), (murmur3(bytes, 0x6b657932) | 0x80000000) >>> 0];
}
