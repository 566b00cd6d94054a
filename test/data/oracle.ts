import type { Condition } from '../../src/core/conditions.js';
import { mix, streamKey } from '../../src/core/random.js';
import type { Task } from '../../src/core/tasks.js';
import { murmur3 } from '../../src/core/murmur.js';
import type {
  Cell,
  CellOptions,
  DataOptions,
  FieldOptions,
  FuzzTables,
  Item,
  Part,
  Row,
  SequenceEntry,
  SequenceGroup,
  TableRow,
} from './fuzz-case.js';
import type { OracleRow, Outcome, Value } from './fuzz-subject.js';

// A slow and obvious implementation of docs/reference/{data,features,sequences,labels}.md: one row at a time, one
// feature at a time, over the values that the generator writes. It parses neither files nor lists. Other tests compare
// with outside sources: test/features/features.test.ts the hash (scikit-learn), test/data/{csv,dialects,scan}.test.ts
// CSV (csv-parse, Python), test/data/parquet*.test.ts Parquet (DuckDB, PyArrow), test/features/expression.test.ts all
// operators and functions of expressions (JavaScript), test/features/date.test.ts dates and zones (Intl).

/** A row that is read: the values of each feature if it is valid and not excluded. */
interface ReadRow extends Outcome {
  readonly items?: readonly Items[];
  readonly labels?: OracleRow['labels'];
  readonly keys?: OracleRow['keys'];
}
type Clean = (text: string) => string;
type Items = readonly Item[];
type Encode = (text: string, i: number) => number;

/** Reason of negatives that are excluded. */
export const SAMPLED = 'negatives beyond the sample';
/** Thrown if no row of the training set has a value for a feature that is fitted. */
class NothingToLearn extends Error {}
/** Thrown for an invalid value. */
class Bad extends Error {
  constructor(readonly columns?: readonly string[]) {
    super();
  }
}
function refuseIf(isBad: boolean, columns?: readonly string[]): void {
  if (isBad) throw new Bad(columns);
}

/** Fits on the training set; returns the rows of each part, undefined if there is nothing to learn. */
export function expectParts(setup: FuzzTables): Readonly<Record<string, readonly Outcome[] | undefined>> {
  const { tasks, data, groups, train, valid } = setup;
  const { split } = data;
  const features = groups.flatMap((group) => buildFeatures(group, groups, data));
  const read = (part: Part): readonly ReadRow[] =>
    (part === 'valid' && split === undefined ? valid : train).flatMap(({ rows, constants }) => {
      let count = 0;
      return rows.map((row) => {
        const found = readRow(setup, features, row, constants, part);
        const isSampled = found.items && isBeyondSample(data, part, count++, found.labels!, tasks);
        return isSampled === true ? { ...found, reason: SAMPLED } : found;
      });
    });
  const learned = read('train').flatMap(({ items, reason }) => (items && reason === undefined ? [items] : []));
  const parts = (['train', 'valid', 'test'] as const).filter((part) => {
    if (part === 'train' || split === undefined) return part === 'train' || (part === 'valid' && valid.length > 0);
    return (split[part] ?? split.shares?.[part]) !== undefined;
  });
  try {
    const encoders = features.map(({ name, fit }) =>
      fit(learned.flatMap((row) => row.flatMap((items, f) => learnedTexts(features[f]!, name, items)))),
    );
    const show = (items: readonly Items[]): OracleRow['features'] =>
      Object.fromEntries(
        features.map((feature, f) => {
          const owner = features.findIndex(({ name }) => name === feature.owner);
          return [feature.name, feature.show(items[f]!, encoders[owner]!)];
        }),
      );
    const encode = ({ items, labels, keys: own, ...rest }: ReadRow): Outcome =>
      items === undefined ? rest : { ...rest, row: { features: show(items), labels: labels!, keys: own! } };
    return Object.fromEntries(parts.map((part) => [part, read(part).map(encode)]));
  } catch (error) {
    if (!(error instanceof NothingToLearn)) throw error;
    return Object.fromEntries(parts.map((part) => [part, undefined]));
  }
}

/** The texts of a feature that the owner of its table learns; a missing item of a list is none. */
const learnedTexts = ({ owner, show }: Feature, name: string, items: Items): readonly string[] =>
  owner !== name ? [] : items.map(([text]) => text).filter((text) => text !== '' || show !== weighted);

/** Reads a row in the order in which problems count: filters, labels, features, combinations of labels, vectors. */
function readRow(
  { tasks, data, keys }: FuzzTables,
  features: readonly Feature[],
  { cells, line, place }: TableRow,
  constants: Row,
  part: Part,
): ReadRow {
  const row = { ...cells, ...constants };
  const kept = Object.fromEntries(Object.entries(row).map(([name, { text }]) => [name, text]));
  try {
    refuseIf(cells === undefined);
    const reason = excludedBy(data, part, row, line);
    if (reason !== undefined) return { place, kept, reason };
    const read = readLabels(tasks, data, row);
    const values = features.map((feature) => (feature.isVector === true ? [] : feature.read(row)));
    const labels = settleLabels(tasks, read);
    if (typeof labels === 'string') return { place, kept, reason: labels };
    const items = features.map((feature, f) => (feature.isVector === true ? feature.read(row) : values[f]!));
    const names = [...(part === 'train' ? [] : keys), ...tasks.flatMap(({ lossKey }) => lossKey ?? [])];
    const texts = names.map((name) => [name, cleaner(data)(row[name]!.text)]);
    return { place, kept, items, labels, keys: Object.fromEntries(texts) as OracleRow['keys'] };
  } catch (error) {
    if (!(error instanceof Bad)) throw error;
    return { place, kept, column: error.columns?.filter((name) => !(name in constants)).join(', ') };
  }
}

/** Excludes usable training rows without a label 1, at random by their number in the file. */
function isBeyondSample(data: DataOptions, part: Part, n: number, labels: OracleRow['labels'], tasks: readonly Task[]) {
  const { rate = 1, seed = 0 } = part === 'train' ? (data.negativeSampling ?? {}) : {};
  const isNegative = tasks.every(({ name, type }) => type !== 'classification' || labels[name] !== 1);
  const isKnown = tasks.every((task) => parentOf(task, tasks) !== undefined || labels[`${task.name}.known`] === 1);
  return isNegative && isKnown && mix(mix(n) ^ streamKey(seed, 'negatives')) / 2 ** 32 >= rate;
}

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const isNumber = (text: string): boolean => NUMBER.test(text) && Number.isFinite(Math.fround(Number(text)));
const sorted = (values: readonly number[]): readonly number[] => [...new Set(values)].sort((a, b) => a - b);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
const hash = (bytes: Buffer, seed: number): number => murmur3(bytes, 0, bytes.length, seed);

/** Trims values and empties null values, by options of all columns, a group and a field. */
function cleaner(...levels: readonly CellOptions[]): Clean {
  const trim = levels.reduce((isTrimmed, level) => level.trim ?? isTrimmed, false);
  const nulls = levels.flatMap(({ nullValues = [] }) => nullValues);
  return (written) => {
    const text = trim ? written.trim() : written;
    return nulls.includes(text) || (NUMBER.test(text) && nulls.includes(Number(text))) ? '' : text;
  };
}

function readText(row: Row, column: string, clean: Clean): string {
  refuseIf(row[column]!.isBad === true, [column]);
  return clean(row[column]!.text);
}

/** Reads a number; NaN is missing. */
function readNumber(row: Row, column: string, clean: Clean): number {
  const text = readText(row, column, clean);
  refuseIf(text !== '' && !isNumber(text), [column]);
  return text === '' ? NaN : Number(text);
}

/** Reads a list; only aligned lists have missing items. */
function readItems(row: Row, column: string, clean: Clean, isAligned: boolean, mayBeNegative = false): Items {
  const items = readText(row, column, clean) === '' ? [] : row[column]!.items!;
  refuseIf(!isAligned && items.some(([id]) => id === ''), [column]);
  const found = items.map(([id, weight]): Item => [clean(id), weight]).filter(([id]) => isAligned || id !== '');
  refuseIf(!isAligned && !mayBeNegative && found.some(([, weight]) => weight < 0), [column]);
  return found;
}

/** Parses a time in seconds: a number, or a date and time. */
function readMoment(text: string, column: string): number {
  const seconds = isNumber(text) ? Number(text) : Date.parse(text) / 1000;
  refuseIf(Number.isNaN(seconds), [column]);
  return seconds;
}

/** Returns why a row is in no set, or in another than `part`. */
function excludedBy({ split, where, ...data }: DataOptions, part: Part, row: Row, line: number): string | undefined {
  const clean = cleaner(data);
  if (split !== undefined) {
    const { by, column = '', seed = 0 } = split;
    const key = by === 'random' ? '' : clean(row[column]!.text);
    if (by === 'date' && key === '') return `missing value in the split column '${column}'`;
    const bytes = by === 'key' ? Buffer.from(key) : Buffer.from([line & 255, line >> 8, 0, 0, 0, 0, 0, 0]);
    const share = hash(bytes, 0x5917c3a1 ^ seed) / 2 ** 32;
    const found = by === 'date' ? partByDate(split, row, clean) : partByShare(split, share);
    if (found !== part) return found === undefined ? 'in no part of the split' : 'in another part of the split';
  }
  return where === undefined || evaluate(where, row, clean) === true ? undefined : 'excluded by data.where';
}

type Split = NonNullable<DataOptions['split']>;

/** Training rows are before all others by default. */
function partByDate({ column, train, valid, test }: Split, row: Row, clean: Clean): string | undefined {
  const before = [valid, test].map((own) => ({ column, below: own?.from }));
  const ranges = { train: train ?? { all: before }, valid, test };
  return Object.entries(ranges).find(([, own]) => {
    if (own === undefined) return false;
    const condition = 'all' in own ? own : { column, atLeast: own.from, atMost: own.to };
    return evaluate(condition, row, clean) === true;
  })?.[0];
}

function partByShare({ shares = {} }: Split, share: number): string | undefined {
  const { valid = 0, test = 0, train = 1 - valid - test } = shares;
  const ends = { train, valid: train + valid, test: train + valid + test };
  return Object.entries(ends).find(([, end]) => share < end)?.[0];
}

const columnsOf = (condition: Condition): readonly string[] =>
  Array.from(JSON.stringify(condition).matchAll(/"column":"([^"]+)"/g), ([, name]) => name!);

/** Evaluates a condition in three-valued logic; null is unknown. An error names the given columns, if any. */
function evaluate(condition: Condition, row: Row, clean: Clean, columns?: readonly string[]): boolean | null {
  for (const name of columnsOf(condition)) {
    const { text, items, isBad = false } = row[name]!;
    // A filter compares the text of a list.
    const isList = items !== undefined || (columns === undefined && text.startsWith('['));
    refuseIf(isBad && !isList, columns ?? [name]);
  }
  // JSON's true and false are numbers elsewhere.
  const textOf = ({ text, raw }: Cell): string => (raw === 'true' || raw === 'false' ? raw : text);
  const truth = holds(condition, (name) => clean(textOf(row[name]!)));
  if (truth === 'invalid') throw new Bad(columns);
  return truth;
}

type Truth = boolean | null | 'invalid';
const TRUTHS = [/^(false|False|FALSE|0)$/, /^(true|True|TRUE|1)$/] as const;

function holds(condition: Condition, textOf: (column: string) => string): Truth {
  const { column = '', all, any: some, not, isNull, equals, oneOf = [equals], ...limits } = condition;
  const parts = all ?? some ?? (not && [not]);
  if (parts !== undefined) {
    const found = parts.map((each) => holds(each, textOf));
    const decisive = all === undefined;
    const truth = ([decisive, 'invalid', null, !decisive] as const).find((each) => found.includes(each))!;
    return not !== undefined && typeof truth === 'boolean' ? !truth : truth;
  }
  const text = textOf(column);
  if (isNull !== undefined) return (text === '') === isNull;
  if (text === '') return null;
  const values = oneOf.filter((value) => value !== undefined);
  const isOne = (value: unknown): boolean => {
    if (typeof value === 'boolean') return TRUTHS[value ? 1 : 0].test(text);
    return text === value || (NUMBER.test(text) && Number(text) === value);
  };
  const areTruths = values.length > 0 && values.every((value) => typeof value === 'boolean');
  if (areTruths && !TRUTHS.some((words) => words.test(text))) return 'invalid';
  if (values.length > 0) return values.some(isOne);
  const truths = Object.entries(limits).map(([word, limit]): Truth => {
    if (limit === undefined) return true;
    if (typeof limit === 'string' ? !/^\d{4}-\d\d-\d\d$/.test(text) : !NUMBER.test(text)) return 'invalid';
    const [value, end] = typeof limit === 'string' ? [text, limit] : [Number(text), limit];
    return { above: value > end, atLeast: value >= end, below: value < end, atMost: value <= end }[word]!;
  });
  return truths.find((truth) => truth !== true) ?? true;
}

const labelOf = ({ name, label }: Task): string => (typeof label === 'string' ? label : `condition of ${name}`);
const givenOf = ({ given }: Task): string | undefined => (typeof given === 'object' ? given.label : given);

/** Returns the task with the given label, else the one with that name. */
function parentOf(task: Task, tasks: readonly Task[]): Task | undefined {
  const others = tasks.filter((other) => other !== task);
  return others.find(({ label }) => label === givenOf(task)) ?? others.find(({ name }) => name === givenOf(task));
}

/** Reads labels, given columns, weights and teachers; NaN is missing. */
function readLabels(tasks: readonly Task[], data: DataOptions, row: Row): OracleRow['labels'] {
  const labels: Record<string, number> = {};
  const add = (name: string, column: string, isValid: (value: number) => boolean): void => {
    labels[name] = readNumber(row, column, cleaner(data));
    refuseIf(!isValid(labels[name]), [column]);
  };
  const isClass = (value: number): boolean => value === 0 || value === 1;
  for (const task of tasks) {
    const { label, type } = task;
    const users = tasks.filter((other) => labelOf(other) === labelOf(task));
    const mayBeMissing = users.every(({ given, onMissing }) => given !== undefined || onMissing !== 'error');
    if (typeof label === 'string')
      add(label, label, (value) => (Number.isNaN(value) ? mayBeMissing : type !== 'classification' || isClass(value)));
    else {
      const truth = evaluate(label, row, cleaner(data), columnsOf(label));
      refuseIf(truth === null && !mayBeMissing, columnsOf(label));
      labels[labelOf(task)] = truth === null ? NaN : Number(truth);
    }
    if (givenOf(task) !== undefined && parentOf(task, tasks) === undefined)
      add(givenOf(task)!, givenOf(task)!, isClass);
  }
  for (const { sampleWeight, distill } of tasks) {
    if (sampleWeight !== undefined) add('weight', sampleWeight, (value) => value >= 0);
    if (distill?.column !== undefined) add('teacher', distill.column, (value) => !(value < 0 || value > 1));
  }
  return labels;
}

/**
 * Checks the labels of a row together. Returns for each task the label, whether it is known, whether it is measured,
 * whether the labels of its chain are known, its weight, and its teacher's logit; or why the row is excluded.
 */
function settleLabels(tasks: readonly Task[], labels: OracleRow['labels']): OracleRow['labels'] | string {
  const settled: Record<string, number> = {};
  for (const task of tasks) {
    const { name, label, onMissing, labelRange, scaling } = task;
    const [value, parent] = [labels[labelOf(task)]!, parentOf(task, tasks)];
    const given = task.given === undefined ? 1 : labels[parent === undefined ? givenOf(task)! : labelOf(parent)]!;
    const shown = typeof label === 'string' ? label : `the label of ${name}`;
    const violations = typeof task.given === 'object' ? task.given.violations : 'error';
    const isViolation =
      task.type === 'classification' &&
      value === 1 &&
      given !== 1 &&
      !(Number.isNaN(given) && parent?.onMissing === 'mask');
    const isMissing = Number.isNaN(value);
    refuseIf((isMissing && given === 1 && onMissing === 'error') || (isViolation && violations === 'error'));
    if (isMissing && given === 1 && onMissing === 'drop') return `${shown} is missing`;
    if (isViolation && violations === 'skip') return `${shown} is 1 and ${givenOf(task)} is not`;
    refuseIf(value < (labelRange?.atLeast ?? -Infinity) || value > (labelRange?.atMost ?? Infinity));
    refuseIf([scaling].flat().includes('log1p') && value <= -1);
    const isKnown = !isMissing || onMissing !== 'mask';
    const p = Math.min(Math.max(labels['teacher'] ?? NaN, 1e-7), 1 - 1e-7);
    settled[name] = isMissing ? 0 : value;
    settled[`${name}.known`] = Number(isKnown);
    settled[`${name}.measured`] = Number(isKnown && given === 1);
    settled[`${name}.chain`] = Number(isChainKnown(task, tasks, labels));
    settled[`${name}.weight`] = task.sampleWeight === undefined ? 1 : labels['weight']!;
    if (task.distill === undefined) continue;
    settled[`${name}.teacher`] = Number.isNaN(p) ? 0 : Math.log(p / (1 - p));
    settled[`${name}.taught`] = Number(!Number.isNaN(p));
  }
  return settled;
}

/** Returns whether it is known if all labels from a root to a task are 1: a known label other than 1 decides. */
function isChainKnown(task: Task, tasks: readonly Task[], labels: OracleRow['labels']): boolean {
  const chain = [task];
  for (let up = parentOf(task, tasks); up?.type === 'classification'; up = parentOf(up, tasks)) chain.unshift(up);
  let isKnown = true;
  for (const link of chain[0]!.given === undefined ? chain : [task]) {
    const { onMissing } = link;
    const value = labels[labelOf(link)]!;
    const isOpen: boolean = Number.isNaN(value) && (onMissing === 'mask' || (onMissing !== 'negative' && !isKnown));
    if (!isOpen && value !== 1) return true;
    isKnown &&= !isOpen;
  }
  return isKnown;
}

/** Reads and learns the values of fields. Missing values are empty. */
interface Table {
  check(text: string, columns: readonly string[]): void;
  /** Receives the values of all features that use the table. */
  fit(texts: readonly string[]): Encode;
}

interface Feature extends Pick<Table, 'fit'> {
  readonly name: string;
  /** Feature whose table it uses. */
  readonly owner: string;
  readonly isVector?: boolean;
  read(row: Row): Items;
  show(items: Items, encode: Encode): Value;
}

/** Builds a table whose missing values are the out-of-vocabulary id, the row after all others, or invalid. */
function rowTable(
  missing: FieldOptions['fillMissing'],
  isValid: (text: string) => boolean,
  fit: (texts: readonly string[]) => readonly [rows: number, encode: Encode],
): Table {
  return {
    check: (text, columns) => refuseIf(text === '' ? missing === 'error' : !isValid(text), columns),
    fit(texts) {
      const [rows, encode] = fit(texts.filter((text) => text !== ''));
      return (text, i) => (text !== '' ? encode(text, i) : missing === 'token' ? rows : 0);
    },
  };
}

function encodingTable(field: string, { encoding = 'ids', fillMissing }: FieldOptions): Table {
  const {
    name,
    minCount = 1,
    buckets = 1,
    seed = 0,
    sizes = {},
  } = typeof encoding === 'string' ? { name: encoding } : encoding;
  const isText = (text: string): boolean => !/\p{Surrogate}/u.test(text);
  const isId = (text: string): boolean => /^\d+$/.test(text) && Number(text) < (sizes[field] ?? 2 ** 31);
  const idsOf = (texts: readonly string[]): readonly [number, Encode] => {
    const size = sizes[field] ?? 1 + Math.max(0, ...texts.map(Number));
    return [size, (text) => (isId(text) && Number(text) < size ? Number(text) : 0)];
  };
  if (name === 'hash')
    return rowTable(fillMissing, isText, () => [buckets + 1, (text) => 1 + (hash(Buffer.from(text), seed) % buckets)]);
  if (name === 'ids') return rowTable(fillMissing ?? 'error', isId, idsOf);
  // A missing value may be one more string of the vocabulary.
  const named = (text: string): string => (text === '' && fillMissing === 'token' ? '\u001f' : text);
  const isFree = (text: string): boolean => isText(text) && (fillMissing !== 'token' || text !== '\u001f');
  return {
    check: rowTable(fillMissing, isFree, idsOf).check,
    fit(all) {
      const texts = all.map(named).filter((text) => text !== '');
      const counts = new Map<string, number>();
      for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
      const areIds =
        name === 'auto' && counts.size > 0 && texts.every((text) => /^[1-9]\d{0,9}$/.test(text) && isId(text));
      if (areIds && counts.size >= Math.max(...texts.map(Number)) / 2) return idsOf(texts)[1];
      const frequent = [...counts].filter(([, count]) => count >= minCount);
      const vocabulary = frequent.sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([text]) => text);
      return (text) => vocabulary.indexOf(named(text)) + 1;
    },
  };
}

function numberTable({ scaling = 'none', fillMissing = 'error' }: FieldOptions): Table {
  const log = scaling.includes('log1p') ? Math.log1p : (value: number) => value;
  return {
    check: (text, columns) =>
      refuseIf(text === '' ? fillMissing === 'error' : !isNumber(text) || !(log(Number(text)) > -Infinity), columns),
    fit(texts) {
      const values = texts.filter((text) => text !== '').map(Number);
      const isFitted = scaling.includes('standard') || scaling.includes('min-max');
      if (values.length === 0 && (isFitted || fillMissing === 'mean' || fillMissing === 'median'))
        throw new NothingToLearn();
      const logs = values.map(log);
      const [least, largest] = [Math.min(...logs), Math.max(...logs)];
      const deviation = Math.sqrt(mean(logs.map((value) => (value - mean(logs)) ** 2)));
      const isConstant = least === largest;
      const subtract = !isFitted ? 0 : isConstant || scaling.includes('min-max') ? least : mean(logs);
      const divide = !isFitted || isConstant ? 1 : scaling.includes('min-max') ? largest - least : deviation;
      const inOrder = [...values].sort((a, b) => a - b);
      const middle = (values.length - 1) / 2;
      const median = (inOrder[Math.floor(middle)]! + inOrder[Math.ceil(middle)]!) / 2;
      const fill = { mean: mean(values), median, zero: 0, error: NaN }[fillMissing] ?? Number(fillMissing);
      return (text) => (log(text === '' ? fill : Number(text)) - subtract) / divide;
    },
  };
}

/**
 * Lower bounds of buckets, except of the first. A value with more rows than an equal share of the rows without heavier
 * values has a bucket of its own; the values between two of these share buckets with sizes as equal as possible.
 */
function quantilesOf(values: readonly number[], count: number): readonly number[] {
  const rowsOf = (some: readonly number[]): number => values.filter((value) => some.includes(value)).length;
  const heavy: number[] = [];
  for (const value of sorted(values).toSorted((a, b) => rowsOf([b]) - rowsOf([a]))) {
    const left = count - heavy.length;
    if (left <= 1 || rowsOf([value]) * left <= values.length - rowsOf(heavy)) break;
    heavy.push(value);
  }
  const groupsOf = (): readonly number[][] => {
    const groups: number[][] = [];
    for (const value of sorted(values)) {
      if (groups.length === 0 || heavy.includes(value) || heavy.includes(groups.at(-1)![0]!)) groups.push([value]);
      else groups.at(-1)!.push(value);
    }
    return groups;
  };
  while (groupsOf().length > count) heavy.pop();
  const groups = groupsOf();
  const lightRows = (some: readonly number[]): number => rowsOf(some.filter((value) => !heavy.includes(value)));
  // Buckets beyond one per group, up to the end of each group.
  const more = groups.map((_, g) =>
    Math.round(((count - groups.length) * lightRows(groups.slice(0, g + 1).flat())) / (lightRows(values) || 1)),
  );
  return groups.flatMap((group, g) => {
    const own = values.filter((value) => group.includes(value));
    const below = group.slice(1).map((value) => own.filter((other) => other < value).length);
    const buckets = 1 + more[g]! - (more[g - 1] ?? 0);
    const nearest = range(group.length > 1 ? buckets - 1 : 0).map((i) => {
      const distances = below.map((number) => Math.abs(number - ((i + 1) * own.length) / buckets));
      return group[1 + distances.indexOf(Math.min(...distances))]!;
    });
    return [...(g > 0 ? [group[0]!] : []), ...new Set(nearest)];
  });
}

function bucketTable({ boundaries, quantiles = 0, fillMissing }: FieldOptions): Table {
  return rowTable(fillMissing, isNumber, (texts) => {
    const limits = boundaries ?? quantilesOf(texts.map(Number), quantiles);
    return [limits.length + 2, (text) => 1 + limits.filter((limit) => limit <= Number(text)).length];
  });
}

function piecewiseTable({ bins = 32 }: FieldOptions): Table {
  return rowTable('unknown', isNumber, (texts) => {
    if (texts.length === 0) throw new NothingToLearn();
    const values = texts.map(Number);
    const knots = [...new Set([Math.min(...values), ...quantilesOf(values, bins), Math.max(...values)])];
    const encode = (text: string): number => {
      const at = knots.filter((knot) => knot <= Number(text)).length;
      if (at === 0 || at === knots.length) return Math.max(1, at);
      return at + (Number(text) - knots[at - 1]!) / (knots[at]! - knots[at - 1]!);
    };
    return [0, encode];
  });
}

function dateTable(part: string, { format = 'iso', timeZone = 'UTC', fillMissing }: FieldOptions): Table {
  const encode = (text: string): number => {
    const isZoned = format !== 'iso' || /(Z|[+-]\d\d:\d\d)$/.test(text);
    const iso = text.replace(' ', 'T').replace(/^(\d{4})(\d\d)(\d\d)/, '$1-$2-$3');
    const unit = { iso: NaN, seconds: 1000, milliseconds: 1 }[format]!;
    const time = new Date(format !== 'iso' ? Number(text) * unit : isZoned || !iso.includes(':') ? iso : `${iso}Z`);
    // Node's Intl has no offsets.
    const zone = timeZone === '+02:00' ? 'Etc/GMT-2' : timeZone;
    const local = isZoned ? time.toLocaleString('sv-SE', { timeZone: zone }) : time.toISOString();
    const [, month, day, hour] = local.split(/[-T :]/).map(Number);
    const weekday = ((new Date(local.slice(0, 10)).getUTCDay() + 6) % 7) + 1;
    return { hour: 1 + hour!, weekday, day: day!, month: month! }[part]!;
  };
  return rowTable(
    fillMissing,
    () => true,
    () => [1 + { hour: 24, weekday: 7, day: 31, month: 12 }[part]!, encode],
  );
}

const one = ([item]: Items, encode: Encode): Value => encode(item![0], 0);
const weighted = (items: Items, encode: Encode): Value =>
  items.map(([text, weight]) => [text === '' ? 0 : encode(text, 0), Math.fround(weight)]);

/** One value of a row, which is read from columns. */
interface Source {
  readonly name: string;
  readonly columns: readonly string[];
  read(row: Row): string;
}

function oneField({ name, columns, read }: Source, table: Table, suffix = '', owner = name + suffix): Feature {
  const readOne = (row: Row): Items => {
    const text = read(row);
    table.check(text, columns);
    return [[text, 1]];
  };
  return { name: name + suffix, owner, fit: table.fit, read: readOne, show: one };
}

function numberFields(source: Source, type: string, options: FieldOptions): readonly Feature[] {
  if (type === 'bucketized') return [oneField(source, bucketTable(options), '_bucketized')];
  if (type === 'piecewise-linear') return [oneField(source, piecewiseTable(options), '_piecewise')];
  const indicator: Table = { check: () => undefined, fit: () => (text) => Number(text === '') };
  const fields = [oneField(source, numberTable(options)), oneField(source, indicator, '_missing')];
  return options.indicator === true ? fields : fields.slice(0, 1);
}

/** A number of a column, or computed. A computed number beyond a 32-bit float is missing. */
function numberSource(name: string, columns: readonly string[], compute: (row: Row) => number): Source {
  const textOf = (value: number): string => (Number.isFinite(Math.fround(value)) ? String(value) : '');
  return { name, columns, read: (row) => textOf(compute(row)) };
}

type Groups = FuzzTables['groups'];

/** Returns the table of a field: that of its owner, if it shares one. */
function tableOf(groups: Groups, owner: string, options: FieldOptions, column = owner): Table {
  const isOwner = ({ type, fields, ...own }: Groups[number]): boolean =>
    type === 'categorical' && !('table' in own) && fields.some(({ name }) => name === owner);
  return encodingTable(column, groups.find(isOwner) ?? options);
}

function buildFeatures(group: Groups[number], groups: Groups, data: DataOptions): readonly Feature[] {
  if (group.type === 'sequence') return sequenceFields(group, cleaner(data, group), groups);
  return group.fields.flatMap((field): readonly Feature[] => {
    const { name, columns = [], candidate, history, expression } = field;
    const clean = cleaner(data, group, field);
    const options = { ...group, ...field };
    const source = { name, columns: [name], read: (row: Row) => readText(row, name, clean) };
    const encoding = group.encoding ?? 'piecewise-linear';
    const { name: type, ...numbers } = typeof encoding === 'string' ? { name: encoding } : encoding;
    if (candidate !== undefined)
      return matchSources(candidate, history!, group, clean).flatMap((own) => numberFields(own, type, numbers));
    if (expression !== undefined) return numberFields(expressionSource(name, expression, clean), type, numbers);
    switch (group.type) {
      case 'categorical': {
        const owner = group.table ?? name;
        return [oneField(source, tableOf(groups, owner, options), '', owner)];
      }
      case 'cross': {
        const hashed = { name: 'hash', buckets: group.buckets };
        return [oneField(crossSource(columns, clean), encodingTable(name, { encoding: group.encoding ?? hashed }))];
      }
      case 'date':
        return (group.parts ?? ['hour', 'weekday']).map((part) => oneField(source, dateTable(part, group), `_${part}`));
      case 'bag':
        return [bagField(name, group, groups, clean)];
      case 'vector':
        return [vectorField(name, group, clean)];
      default: {
        const number = numberSource(name, [name], (row) => readNumber(row, name, clean));
        return numberFields(number, group.type, options);
      }
    }
  });
}

function crossSource(columns: readonly string[], clean: Clean): Source {
  const read = (row: Row): string => {
    const texts = columns.map((column) => readText(row, column, clean));
    refuseIf(texts.join('').includes('\u001f'), columns);
    return texts.includes('') ? '' : texts.join('\u001f');
  };
  return { name: columns.join('_X_'), columns, read };
}

/** A bag with the items of the largest weights, the first among equals. */
function bagField(name: string, options: FieldOptions, groups: Groups, clean: Clean): Feature {
  const { table: owner = name, pooling = 'mean', maxItems = Infinity } = options;
  const table = tableOf(groups, owner, options);
  const read = (row: Row): Items => {
    const items = readItems(row, name, clean, false, pooling !== 'mean');
    const heaviest = items.toSorted(([, a], [, b]) => b - a).slice(0, maxItems);
    const chosen = items.filter((item) => heaviest.includes(item));
    for (const [text] of chosen) table.check(text, [name]);
    return chosen;
  };
  return { name, owner, fit: table.fit, read, show: weighted };
}

function expressionSource(name: string, expression: string, clean: Clean): Source {
  const columns = [...new Set(expression.match(/\b(price|age|item|city|shop)\b/g))];
  return numberSource(name, columns, (row) =>
    EXPRESSIONS[expression]!(
      (column) => readNumber(row, column, clean),
      (column) => readText(row, column, clean),
    ),
  );
}

function vectorField(name: string, options: FieldOptions, clean: Clean): Feature {
  let { length } = options;
  const table = numberTable(options);
  return {
    name,
    owner: name,
    isVector: true,
    read(row) {
      const items = readText(row, name, clean) === '' ? [] : row[name]!.items!;
      if (items.length === 0) table.check('', [name]);
      refuseIf(items.length > 0 && items.length !== (length ?? items.length), [name]);
      for (const [text] of items) table.check(text, [name]);
      length ??= items.length || undefined;
      return items.map(([text]) => [String(Math.fround(Number(text))), 1]);
    },
    fit(texts) {
      if (texts.length === 0 && options.length === undefined) throw new NothingToLearn();
      const elements = range(length!).map((i) => table.fit(texts.filter((_, j) => j % length! === i)));
      return (text, i) => elements[i]!(text, i);
    },
    show: (items, encode) => [
      ...range(length!).map((i) => encode(items[i]?.[0] ?? '', i)),
      ...(options.indicator === true ? [Number(items.length === 0)] : []),
    ],
  };
}

/** The outputs of a match, from the items that equal the candidate. */
function matchSources(candidate: string, history: string, group: FieldOptions, clean: Clean): readonly Source[] {
  const { outputs = ['present', 'count', 'share', 'recency'], newest = 'last' } = group;
  const sum = (items: Items): number => items.reduce((total, [, weight]) => total + weight, 0);
  return outputs.map((output) =>
    numberSource(`${candidate}_in_${history}_${output}`, [candidate, history], (row) => {
      const own = readText(row, candidate, clean);
      const items = readItems(row, history, clean, false, !outputs.includes('share'));
      const same = items.filter(([id]) => id === own);
      const recent = newest === 'last' ? items.toReversed() : items;
      if (output === 'share') return sum(items) === 0 ? 0 : sum(same) / sum(items);
      if (output === 'recency') return recent.findIndex(([id]) => id === own) + 1;
      return { present: Math.min(same.length, 1), count: same.length, weight: sum(same) }[output];
    }),
  );
}

/** A side table by its key: size and cost. */
export const SHOPS: Readonly<Record<string, readonly [size: string, cost: number]>> = {
  1: ['big', 2.5],
  2: ['', 0],
  5: ['small', NaN],
  12: ['big', 10],
};
const or = (value: number, other: number): number => (Number.isNaN(value) ? other : value);
/** The value of a comparison: NaN if it depends on a missing number. */
const truth = (holds: boolean, ...numbers: readonly number[]): number =>
  numbers.some(Number.isNaN) ? NaN : Number(holds);

/** Expressions with their values in JavaScript: `n` reads a number, NaN if missing, and `t` a text. */
type Computation = (n: (column: string) => number, t: (column: string) => string) => number;
export const EXPRESSIONS: Readonly<Record<string, Computation>> = {
  'price / age': (n) => (n('age') === 0 ? NaN : n('price') / n('age')),
  'price - age * 2 - -item / 4': (n) => n('price') - n('age') * 2 + n('item') / 4,
  '(age - 3) * log1p(abs(price))': (n) => (n('age') - 3) * Math.log1p(Math.abs(n('price'))),
  'log(age) / max(price, 2) - sqrt(item)': (n) =>
    (n('age') > 0 ? Math.log(n('age')) : NaN) / Math.max(n('price'), 2) - Math.sqrt(n('item')),
  'coalesce(price, age, 7) + missing(age)': (n) => or(or(n('price'), n('age')), 7) + Number(Number.isNaN(n('age'))),
  'if(price > 5, min(age, 9), clip(price, 1, 4))': (n) =>
    n('price') > 5 ? Math.min(n('age'), 9) : Math.min(Math.max(n('price'), 1), 4),
  'price >= 3 and not age != 1': (n) =>
    n('price') < 3 || or(n('age'), 1) !== 1 ? 0 : truth(true, n('price'), n('age')),
  'price < 3 or age == 1': (n) => (n('price') < 3 || n('age') === 1 ? 1 : truth(false, n('price'), n('age'))),
  "age + (city == 'a')": (n, t) => (t('city') === '' ? NaN : n('age') + Number(t('city') === 'a')),
  "if(lookup(shops.size, shop) != 'big', 2, lookup(shops.cost, shop))": (_, t) => {
    const [size, cost] = SHOPS[t('shop')] ?? ['', NaN];
    return size === '' ? NaN : size === 'big' ? cost : 2;
  },
};

/** Builds the fields of a sequence: each reads the items that the lists of all columns select. */
function sequenceFields(group: SequenceGroup, clean: Clean, groups: Groups): readonly Feature[] {
  const { fields, name: prefix, aligned = true } = group;
  const sequences = aligned ? [fields] : fields.map((entry) => [entry]);
  return sequences.flatMap((entries) =>
    entries.flatMap(({ name: column, target, as, buckets, scaling, encoding, pooling }): readonly Feature[] => {
      const name = `${prefix}.${column}`;
      const owner = target ?? name;
      const isNumeric = as !== undefined || scaling !== undefined;
      const octaves = rowTable('error', isNumber, () => [
        0,
        (text) => (Math.floor(Number(text)) + 1).toString(2).length,
      ]);
      const numbers = buckets === 'log' ? octaves : numberTable({ scaling: scaling ?? 'log1p' });
      const { check, fit } = isNumeric ? numbers : tableOf(groups, owner, { encoding }, target ?? column);
      const read = (row: Row): Items => selectItems(entries, group, row, clean).map((items) => items[column]!);
      const checked = (items: Items): Items => {
        for (const [text] of items) if (isNumeric || text !== '') check(text, [column]);
        return items;
      };
      const numeric = (items: Items, encode: Encode): Value => items.map(([text]) => [0, Math.fround(encode(text, 0))]);
      const show = isNumeric && buckets === undefined ? numeric : weighted;
      if (pooling === undefined) return [{ name, owner, fit, show, read: (row) => checked(read(row)) }];
      const valuesOf = ([text]: Item): Items =>
        parseValues(text).flatMap((value): Items => (clean(value) === '' ? [] : [[clean(value), 1]]));
      const counts = `${name}.counts`;
      const readCounts = (row: Row): Items => read(row).map((item) => [String(valuesOf(item).length), 1]);
      return [
        { name: counts, owner: counts, fit: () => Number, show: numeric, read: readCounts },
        { name, owner, fit, show, read: (row) => checked(read(row).flatMap(valuesOf)) },
      ];
    }),
  );
}

const parseValues = (item: string): readonly string[] => JSON.parse(item || '[]') as string[];

/** Selects the items of a row, newest last: by column, of all lists together. Times become ages. */
function selectItems(
  entries: readonly SequenceEntry[],
  { aligned = true, order = { newest: 'last' }, keep = { last: 50 } }: SequenceGroup,
  row: Row,
  clean: Clean,
): readonly Readonly<Record<string, Item>>[] {
  const cleanJson: Clean = (text) => (text.startsWith('[') ? text : clean(text));
  const lists = entries.map(({ name, pooling }) =>
    readItems(row, name, pooling === undefined ? clean : cleanJson, aligned),
  );
  const all = lists[0]!.map(
    (_, i) => Object.fromEntries(entries.map(({ name }, e) => [name, lists[e]![i] ?? ['', 1]])) as Record<string, Item>,
  );
  const unequal = entries.filter((_, e) => lists[e]!.length !== all.length);
  refuseIf(
    unequal.length > 0,
    unequal.map(({ name }) => name),
  );
  for (const [e, { name }] of entries.entries())
    refuseIf(aligned && lists[e]!.some(([, weight]) => weight !== 1), [name]);
  const timed = entries.find(({ as }) => as === 'age');
  const timeOf = (items: Record<string, Item>): number => readMoment(items[timed!.name]![0], timed!.name);
  all.forEach((items) => timed && timeOf(items));
  const end = timed && readMoment(readText(row, timed.until!, clean), timed.until!);
  const matching = entries.find(({ name }) => 'last' in keep && keep.matching === name);
  const candidate = matching && readText(row, matching.target!, clean);
  const known = all
    .filter((items) => end === undefined || timeOf(items) < end)
    .filter((items) => candidate === undefined || (candidate !== '' && items[matching!.name]![0] === candidate));
  const weightOf = (items: Record<string, Item>): number => items[entries[0]!.name]![1];
  const heaviest = known
    .toSorted((a, b) => weightOf(b) - weightOf(a))
    .slice(0, 'heaviest' in keep ? keep.heaviest : Infinity);
  const chosen = known.filter((items) => heaviest.includes(items));
  const isReversed = 'newest' in order && order.newest === 'first';
  const inOrder =
    'by' in order ? chosen.toSorted((a, b) => timeOf(a) - timeOf(b)) : isReversed ? chosen.toReversed() : chosen;
  const picked = 'last' in keep ? inOrder.slice(-keep.last) : inOrder;
  for (const { name, pooling } of entries)
    refuseIf(pooling !== undefined && picked.some((items) => parseValues(items[name]![0]).includes('')), [name]);
  if (timed === undefined) return picked;
  return picked.map((items) => ({ ...items, [timed.name]: [String(end! - timeOf(items)), 1] }));
}
