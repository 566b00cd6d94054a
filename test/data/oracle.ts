import type { Condition } from '../../src/core/conditions.js';
import type { Task } from '../../src/core/tasks.js';
import type {
  CellOptions,
  DataOptions,
  FieldOptions,
  GroupOptions,
  MatchOutput,
  MatchPair,
  NamedExpression,
  Part,
} from './fuzz-case.js';
import { EXPRESSIONS, TEXT_COLUMNS } from './fuzz-expressions.js';
import type { Cell, TableFile, TableRow } from './fuzz-files.js';
import type { SequenceEntry, SequenceOptions } from './fuzz-sequences.js';
import { octaveOf, selectedItems } from './oracle-sequences.js';

// A slow and obvious implementation of docs/reference/data.md, features.md and labels.md for rows of values, which
// shares no code with src: one row at a time, one feature at a time.

/** The sections of a config that decide what rows become. */
export interface OracleSetup {
  readonly tasks: readonly Task[];
  readonly groups: readonly GroupOptions[];
  readonly keys: readonly string[];
  readonly data: DataOptions;
}

/** An id or number, the elements of a vector, or ids with weights. */
export type Value = number | readonly number[] | readonly (readonly number[])[];

/** An encoded row. Labels are those of `settleLabels`. */
export interface OracleRow {
  readonly features: Readonly<Record<string, Value>>;
  readonly labels: Readonly<Record<string, number>>;
  readonly keys: Readonly<Record<string, readonly [number, number]>>;
}

/** A row of a file: encoded, excluded for a reason, or invalid in a column. A sampled row is encoded and excluded. */
export interface Outcome {
  readonly place: string;
  readonly texts: Readonly<Record<string, string>>;
  readonly row?: OracleRow;
  readonly reason?: string;
  readonly column?: string | undefined;
}

/** Reason of negatives that are excluded. */
export const SAMPLED = 'negatives beyond the sample';

/** Thrown if no row of the training set has a value for a feature that is fitted. */
export class NothingToLearn extends Error {}

/** Thrown for an invalid value. */
class Bad extends Error {
  constructor(
    readonly column?: string,
    /** Whether other columns of the feature are valid. */
    readonly isExact = false,
  ) {
    super();
  }
}

type Row = Readonly<Record<string, Cell>>;
type Clean = (text: string) => string;
type Texts = Readonly<Record<string, string>>;
/** Calls `read`; a Bad value gets the columns that are read. */
type At = <T>(columns: readonly string[], read: () => T) => T;

// Rows.

/** Fits on the training files; returns a function that encodes the files of a part. */
export function createOracle(
  setup: OracleSetup,
  train: readonly TableFile[],
): (part: Part, files: readonly TableFile[]) => readonly Outcome[] {
  const features = buildFeatures(setup.groups, setup.data);
  const learned: Items[][] = [];
  const encodeFiles = (part: Part, files: readonly TableFile[]): readonly Outcome[] =>
    files.flatMap((file) => {
      const isSampled = sampler(setup, part);
      return file.rows.map((row): Outcome => {
        const texts = Object.fromEntries(Object.entries({ ...row.cells, ...file.constants }).map(textEntry));
        const outcome = { place: `${file.path}:${row.line}`, texts };
        try {
          const found = readRow(setup, features, file, row, part);
          if (typeof found === 'string') return { ...outcome, reason: found };
          for (const [f, feature] of features.entries()) feature.accept?.(found.items[f]!);
          const keys = keysOf(setup, part).map((name) => [name, hashKey(cleaner(setup.data)(texts[name]!))] as const);
          const encoded = {
            ...outcome,
            row: { features: found.features, labels: found.labels, keys: Object.fromEntries(keys) },
          };
          if (isSampled(found.labels)) return { ...encoded, reason: SAMPLED };
          learned.push(found.items);
          return encoded;
        } catch (error) {
          if (error instanceof Bad) return { ...outcome, column: error.column };
          throw error;
        }
      });
    });
  encodeFiles('train', train);
  for (const owner of features) {
    const sharing = features.flatMap((other, f) => (other.owner === owner.name ? [f] : []));
    owner.learn(learned.flatMap((items) => sharing.map((f) => features[f]!.observed?.(items[f]!) ?? items[f]!)));
  }
  return encodeFiles;
}

const textEntry = ([name, cell]: readonly [string, Cell]): readonly [string, string] => [name, textOf(cell)];
const textOf = (cell: Cell): string => (typeof cell === 'string' ? cell : cell.json);

/** Reads a row in the order in which problems count; returns why it is excluded if it is. */
function readRow(
  { tasks, data }: OracleSetup,
  features: readonly Feature[],
  { constants }: TableFile,
  { cells, line }: TableRow,
  part: Part,
): string | (Pick<OracleRow, 'features' | 'labels'> & { readonly items: Items[] }) {
  if (cells === undefined) throw new Bad();
  const row: Row = { ...cells, ...constants };
  const at: At = (columns, read) => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof Bad)) throw error;
      throw error.isExact ? error : new Bad(columns.filter((name) => !(name in constants)).join(', '));
    }
  };
  const reason = excludedBy(data, part, row, line, at);
  if (reason !== undefined) return reason;
  const labels = readLabels(tasks, data, row, at);
  const items: Items[] = [];
  const encoded: Record<string, Value> = {};
  const encodeWhere = (isVector: boolean): void => {
    for (const [f, { name, columns, read, encode, accept }] of features.entries())
      if ((accept !== undefined) === isVector)
        at(columns, () => (encoded[name] = encode((items[f] = read(columns.map((column) => row[column]!))))));
  };
  encodeWhere(false);
  const settled = settleLabels(tasks, labels);
  if (typeof settled === 'string') return settled;
  // The length of vectors is that of the first row that is valid otherwise.
  encodeWhere(true);
  return { labels: settled, features: encoded, items };
}

/** Returns the function that excludes usable rows of a file, in order: training rows without a label 1, at random. */
function sampler({ data, tasks }: OracleSetup, part: Part): (labels: OracleRow['labels']) => boolean {
  const { negativeSampling } = data;
  if (negativeSampling === undefined || part !== 'train') return () => false;
  const { rate, seed = 0 } = negativeSampling;
  const purpose = Buffer.from('negatives').reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5);
  const key = mix(mix(seed) ^ mix(purpose));
  let row = 0;
  return (labels) =>
    mix(mix(row++) ^ key) / 2 ** 32 >= rate &&
    tasks.every((task) => task.type !== 'classification' || labels[task.name] !== 1) &&
    tasks.every((task) => parentOf(task, tasks) !== undefined || labels[`${task.name}.known`] === 1);
}

const keysOf = ({ keys, tasks }: OracleSetup, part: Part): readonly string[] => [
  ...(part === 'train' ? [] : keys),
  ...tasks.flatMap(({ lossKey }) => lossKey ?? []),
];

// Values.

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

/** Parses a decimal number in the range of a 32-bit float. */
function toNumber(text: string): number {
  if (!NUMBER.test(text) || !Number.isFinite(Math.fround(Number(text)))) throw new Bad();
  return Number(text);
}

/** Returns the text of a number: with a decimal point; JSON true is 1. */
function numberText(cell: Cell, decimal: string | undefined): string {
  const text = textOf(cell);
  if (typeof cell !== 'string') return { true: '1', false: '0' }[text] ?? oneText(cell);
  if (decimal !== ',') return text;
  if (text.includes('.') && NUMBER.test(text.replace(',', '').trim())) throw new Bad();
  const point = text.replace(',', '.');
  return NUMBER.test(point.trim()) ? point : text;
}

/** Returns the text of a value that is no list. */
function oneText(cell: Cell): string {
  if (typeof cell !== 'string' && cell.json.startsWith('[')) throw new Bad();
  return textOf(cell);
}

/** Returns the function that trims a value and empties null values, for options of all columns, a group and a field. */
function cleaner(...levels: readonly CellOptions[]): Clean {
  const trim = levels.reduce((isTrimmed, level) => level.trim ?? isTrimmed, false);
  const nulls = levels.flatMap(({ nullValues = [] }) => nullValues);
  return (text) => {
    const cell = trim ? text.trim() : text;
    return nulls.some((each) => each === (typeof each === 'string' || !NUMBER.test(cell) ? cell : Number(cell)))
      ? ''
      : cell;
  };
}

/** Half of a surrogate pair stands for bytes that are not UTF-8. */
function wellFormed(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new Bad();
  return text;
}

/** Permutes 32-bit integers (Wellons' lowbias32). */
function mix(value: number): number {
  const half = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  const whole = Math.imul(half ^ (half >>> 15), 0x846ca68b);
  return (whole ^ (whole >>> 16)) >>> 0;
}

/** MurmurHash3_x86_32. */
function murmur3(bytes: Uint8Array, seed: number): number {
  const scramble = (block: number): number => {
    const k = Math.imul(block, 0xcc9e2d51);
    return Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  };
  let hash = seed;
  for (let i = 0; i < bytes.length; i += 4) {
    const [a = 0, b = 0, c = 0, d = 0] = bytes.subarray(i, i + 4);
    hash ^= scramble(a | (b << 8) | (c << 16) | (d << 24));
    if (i + 4 <= bytes.length) hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64;
  }
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The two words that identify a value. */
function hashKey(text: string): readonly [number, number] {
  if (text === '') return [0, 0x40000000];
  const number = Number(text);
  if (/^(0|[1-9]\d*)$/.test(text) && Number.isSafeInteger(number))
    return [number % 2 ** 32, Math.floor(number / 2 ** 32)];
  const bytes = Buffer.from(wellFormed(text));
  return [murmur3(bytes, 0x6b657931), (murmur3(bytes, 0x6b657932) | 0x80000000) >>> 0];
}

const TIME = /^(\d{4})-?(\d\d)-?(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:Z|([+-]\d\d):(\d\d))?)?$/;

/** Parses ISO 8601: milliseconds since 1970 as written, and those that its zone is ahead of UTC, if it has one. */
function parseTime(text: string): { written: number; ahead: number | undefined; isDay: boolean } | undefined {
  const [, year, month, day, hour, minute = '00', second = '00', zone = '+00', zoneMinute = '0'] =
    TIME.exec(text) ?? [];
  const iso = `${year}-${month}-${day}T${hour ?? '00'}:${minute}:${second}.000Z`;
  const written = Date.parse(iso);
  if (Number.isNaN(written) || new Date(written).toISOString() !== iso) return undefined;
  const ahead = Number(zone) * 60 + Number(`${zone[0]}${zoneMinute}`);
  return { written, ahead: /(Z|[+-]\d\d:\d\d)$/.test(text) ? ahead * 60_000 : undefined, isDay: hour === undefined };
}

// Filters, splits and conditions.

/** Returns why a row is in no set, or in another than `part`. */
function excludedBy(data: DataOptions, part: Part, row: Row, line: number, at: At): string | undefined {
  const { split, where } = data;
  if (split !== undefined) {
    const found = split.by === 'date' ? partByDate(split, data, row, at) : partByShare(split, data, row, line);
    if (found === 'missing') return `missing value in the split column '${split.column!}'`;
    if (found !== part) return found === undefined ? 'in no part of the split' : 'in another part of the split';
  }
  return where === undefined || holds(where, conditionTexts(where, data, row, at)) === true
    ? undefined
    : 'excluded by data.where';
}

type Split = NonNullable<DataOptions['split']>;

function partByDate(
  { column, train, valid, test }: Split,
  data: DataOptions,
  row: Row,
  at: At,
): Part | 'missing' | undefined {
  const before = [valid, test].flatMap((range) => (range?.from === undefined ? [] : [{ column, below: range.from }]));
  const within = (range: Split['train']): Condition => ({ column, atLeast: range!.from, atMost: range!.to });
  const conditions: [Part, Condition][] = [['train', train === undefined ? { all: before } : within(train)]];
  if (valid !== undefined) conditions.push(['valid', within(valid)]);
  if (test !== undefined) conditions.push(['test', within(test)]);
  const texts = conditionTexts({ all: conditions.map(([, condition]) => condition) }, data, row, at);
  if (texts[column!] === '') return 'missing';
  return conditions.find(([, condition]) => holds(condition, texts) === true)?.[0];
}

function partByShare({ by, column, seed = 0, shares = {} }: Split, data: DataOptions, row: Row, line: number) {
  const bytes = by === 'key' ? Buffer.from(cleaner(data)(textOf(row[column!]!))) : Buffer.alloc(8);
  if (by === 'random') bytes.writeUInt32LE(line);
  const share = murmur3(bytes, 0x5917c3a1 ^ seed) / 2 ** 32;
  const { valid = 0, test = 0, train = 1 - valid - test } = shares;
  if (share < train) return 'train';
  return share < train + valid ? 'valid' : share < train + valid + test ? 'test' : undefined;
}

const LIMITS = ['above', 'atLeast', 'below', 'atMost'] as const;

/** Lists the comparisons of a condition. */
function comparisonsOf({ all = [], any: some = [], not, ...comparison }: Condition): readonly Condition[] {
  const below = [...all, ...some, ...(not === undefined ? [] : [not])].flatMap(comparisonsOf);
  return comparison.column === undefined ? below : [comparison, ...below];
}

const conditionColumns = (condition: Condition): readonly string[] => [
  ...new Set(comparisonsOf(condition).map(({ column }) => column!)),
];

/** Returns the texts that a condition compares; columns that it compares with numbers have a decimal point. */
function conditionTexts(condition: Condition, data: DataOptions, row: Row, at: At): Texts {
  const numbers = comparisonsOf(condition).filter(({ equals, oneOf = [], ...rest }) =>
    [equals, ...oneOf, ...LIMITS.map((word) => rest[word])].some((value) => typeof value === 'number'),
  );
  const read = (name: string): string => {
    const text = textOf(row[name]!);
    return cleaner(data)(numbers.some(({ column }) => column === name) ? numberText(text, data.decimal) : text);
  };
  return Object.fromEntries(conditionColumns(condition).map((name) => [name, at([name], () => read(name))]));
}

const TRUTHS = { true: ['true', 'True', 'TRUE', '1'], false: ['false', 'False', 'FALSE', '0'] };

/** Evaluates a condition in three-valued logic; undefined is unknown. */
function holds(condition: Condition, texts: Texts): boolean | undefined {
  const { column, all, any: some, not, equals, oneOf, isNull } = condition;
  if (not !== undefined) {
    const found = holds(not, texts);
    return found === undefined ? undefined : !found;
  }
  if (column === undefined) {
    const found = (all ?? some!).map((each) => {
      try {
        return holds(each, texts);
      } catch (error) {
        return error;
      }
    });
    const decisive = all === undefined;
    if (found.includes(decisive)) return decisive;
    const bad = found.find((each) => each instanceof Error);
    if (bad !== undefined) throw bad;
    return found.includes(undefined) ? undefined : !decisive;
  }
  const text = texts[column]!;
  if (isNull !== undefined) return (text === '') === isNull;
  if (text === '') return undefined;
  return (
    [equals === undefined ? undefined : [equals], oneOf].every(
      (values) => values === undefined || isOne(text, values),
    ) && LIMITS.every((word) => condition[word] === undefined || compares(text, word, condition[word]))
  );
}

function isOne(text: string, values: NonNullable<Condition['oneOf']>): boolean {
  const isTruth = [...TRUTHS.true, ...TRUTHS.false].includes(text);
  if (!isTruth && values.every((value) => typeof value === 'boolean')) throw new Bad();
  return values.some((value) => {
    if (typeof value === 'boolean') return TRUTHS[`${value}`].includes(text);
    return typeof value === 'string' ? text === value : NUMBER.test(text) && Number(text) === value;
  });
}

function compares(text: string, word: (typeof LIMITS)[number], limit: number | string): boolean {
  const momentOf = (date: string): number | undefined => {
    const time = date[4] === '-' ? parseTime(date) : undefined;
    return time && time.written - (time.ahead ?? 0);
  };
  const begin = typeof limit === 'string' ? momentOf(limit)! : limit;
  const isDay = typeof limit === 'string' && parseTime(limit)!.isDay;
  const value = typeof limit === 'string' ? momentOf(text) : NUMBER.test(text) ? Number(text) : undefined;
  if (value === undefined) throw new Bad();
  const isAfter = isDay ? value >= begin + 86_400_000 : value > begin;
  return { above: isAfter, atLeast: value >= begin, below: value < begin, atMost: !isAfter }[word];
}

// Labels.

const labelOf = ({ name, label }: Task): string => (typeof label === 'string' ? label : `condition of ${name}`);
const givenOf = ({ given }: Task): string | undefined => (typeof given === 'object' ? given.label : given);

/** Returns the task with the given label, else the one with that name. */
function parentOf(task: Task, tasks: readonly Task[]): Task | undefined {
  const others = tasks.filter((other) => other !== task);
  return others.find(({ label }) => label === givenOf(task)) ?? others.find(({ name }) => name === givenOf(task));
}

/** Reads labels, given columns and weights; NaN is a missing label that some rows may have. */
function readLabels(tasks: readonly Task[], data: DataOptions, row: Row, at: At): Record<string, number> {
  const labels: Record<string, number> = {};
  const read = (name: string): number => {
    const text = cleaner(data)(numberText(row[name]!, data.decimal));
    return text === '' ? NaN : toNumber(text);
  };
  const checked = (value: number, isValid: boolean): number => {
    if (!isValid) throw new Bad();
    return value;
  };
  const isClass = (value: number): boolean => value === 0 || value === 1;
  const isOutside = (value: number): boolean => value < 0 || value > 1;
  for (const task of tasks) {
    const { label, type } = task;
    const name = labelOf(task);
    const users = tasks.filter((other) => labelOf(other) === name);
    const mayBeMissing = users.every(({ given, onMissing }) => given !== undefined || onMissing !== 'error');
    labels[name] ??= at(typeof label === 'string' ? [label] : conditionColumns(label), () => {
      if (typeof label !== 'string') for (const column of conditionColumns(label)) oneText(row[column]!);
      const value =
        typeof label === 'string' ? read(label) : Number(holds(label, conditionTexts(label, data, row, at)));
      return checked(value, Number.isNaN(value) ? mayBeMissing : type !== 'classification' || isClass(value));
    });
    const given = givenOf(task);
    if (given !== undefined && parentOf(task, tasks) === undefined)
      labels[given] ??= at([given], () => checked(read(given), isClass(read(given))));
  }
  for (const { sampleWeight, distill } of tasks) {
    if (sampleWeight !== undefined)
      labels[`weight ${sampleWeight}`] = at([sampleWeight], () => checked(read(sampleWeight), read(sampleWeight) >= 0));
    const teacher = distill?.column;
    if (teacher !== undefined)
      labels['teacher'] = at([teacher], () => checked(read(teacher), !isOutside(read(teacher))));
  }
  return labels;
}

/**
 * Checks the labels of a row together. Returns for each task the label, whether it is known, whether it is measured,
 * whether the labels of its chain are known, its weight, and its teacher's logit; or why the row is excluded.
 */
function settleLabels(
  tasks: readonly Task[],
  labels: Readonly<Record<string, number>>,
): Record<string, number> | string {
  const settled: Record<string, number> = {};
  for (const task of tasks) {
    const { name, label, type, onMissing, labelRange, sampleWeight, distill } = task;
    const [value, parent, given] = [labels[labelOf(task)]!, parentOf(task, tasks), givenOf(task)];
    const parentValue = given === undefined ? 1 : labels[parent === undefined ? given : labelOf(parent)]!;
    const isDefined = Number.isNaN(parentValue) && parent?.onMissing === 'mask' ? undefined : parentValue === 1;
    const shown = typeof label === 'string' ? label : `the label of ${name}`;
    const violations = typeof task.given === 'object' ? task.given.violations : 'error';
    if (Number.isNaN(value)) {
      if (isDefined === true && onMissing === 'error') throw new Bad();
      if (isDefined === true && onMissing === 'drop') return `${shown} is missing`;
    } else if (type === 'classification' && value === 1 && isDefined === false && violations !== 'keep') {
      if (violations === 'error') throw new Bad();
      return `${shown} is 1 and ${given} is not`;
    } else if (value < (labelRange?.atLeast ?? -Infinity) || value > (labelRange?.atMost ?? Infinity)) throw new Bad();
    else if ([task.scaling].flat().includes('log1p') && value <= -1) throw new Bad();
    const isKnown = !Number.isNaN(value) || onMissing !== 'mask';
    settled[name] = Number.isNaN(value) ? 0 : value;
    settled[`${name}.known`] = Number(isKnown);
    settled[`${name}.measured`] = Number(isKnown && isDefined === true);
    settled[`${name}.chain`] = Number(isChainKnown(chainOf(task, tasks) ?? [task], labels));
    settled[`${name}.weight`] = sampleWeight === undefined ? 1 : labels[`weight ${sampleWeight}`]!;
    if (distill === undefined) continue;
    const [isTaught, p] = [!Number.isNaN(labels['teacher']), Math.min(Math.max(labels['teacher']!, 1e-7), 1 - 1e-7)];
    settled[`${name}.teacher`] = isTaught ? Math.log(p / (1 - p)) : 0;
    settled[`${name}.taught`] = Number(isTaught);
  }
  return settled;
}

/** Returns the tasks from a root to `task`; undefined if an ancestor is no classification task. */
function chainOf(task: Task, tasks: readonly Task[]): readonly Task[] | undefined {
  if (task.given === undefined) return [task];
  const parent = parentOf(task, tasks);
  const above = parent?.type === 'classification' ? chainOf(parent, tasks) : undefined;
  return above && [...above, task];
}

/** Returns whether it is known if all labels of a chain are 1: a known label other than 1 decides. */
function isChainKnown(chain: readonly Task[], labels: Readonly<Record<string, number>>): boolean {
  let isKnown = true;
  for (const task of chain) {
    const value = labels[labelOf(task)]!;
    const isOpen: boolean =
      Number.isNaN(value) && (task.onMissing === 'mask' || (task.onMissing !== 'negative' && !isKnown));
    if (!isOpen && value !== 1) return true;
    isKnown &&= !isOpen;
  }
  return isKnown;
}

// Features.

/** Values of a row for a feature: one, the items of a bag, or the elements of a vector. */
type Items = readonly (readonly [text: string, weight: number])[];

/** A feature. Before `learn`, `encode` throws Bad for values that cannot be learned from. */
interface Feature {
  readonly name: string;
  readonly columns: readonly string[];
  /** Feature whose table it uses. */
  readonly owner: string;
  read(cells: readonly Cell[]): Items;
  encode(items: Items): Value;
  /** Receives the items of each valid row before all rows are learned from. */
  accept?(items: Items): void;
  /** Returns the items that are learned from; default: all. */
  observed?(items: Items): Items;
  /** Receives the items of all rows, of all features that use its table. */
  learn(rows: readonly Items[]): void;
}

/** Maps single values to ids or numbers. */
interface Codec {
  encode(text: string): number;
  /** Receives all values that are not missing. */
  learn?(texts: readonly string[]): void;
  /** Number of rows of the table, without one for missing values. */
  rows?(): number;
  /** Whether a missing value is learned as one more string. */
  readonly hasVocabulary?: boolean;
}

function buildFeatures(groups: readonly GroupOptions[], data: DataOptions): readonly Feature[] {
  const codecs: Record<string, Pick<Codec, 'encode'>> = {};
  return groups.flatMap(({ fields, ...group }) => {
    if (group.type === 'sequence')
      return sequenceFeatures(fields as readonly SequenceEntry[], group, cleaner(data, group), codecs);
    return fields.flatMap((entry): readonly Feature[] => {
      const own: CellOptions = typeof entry === 'object' && !isList(entry) ? entry : {};
      const clean = cleaner(data, group, own);
      const single = (
        field: Pick<Feature, 'name' | 'columns' | 'read'>,
        codec: Codec,
        { table: owner = field.name, fillMissing }: FieldOptions = {},
      ): Feature => {
        const complete = (codecs[field.name] = withMissing(codec, fillMissing));
        const encode = ([item]: Items): Value => codecs[owner]!.encode(item![0]);
        return { ...field, owner, encode, learn: (rows) => complete.learn(rows.flat().map(([text]) => text)) };
      };
      if (typeof entry === 'object' && ('candidate' in entry || 'expression' in entry)) {
        const numbers = 'candidate' in entry ? matchesOf(entry, group, clean) : [expressionOf(entry, data, clean)];
        const encoding =
          typeof group.encoding === 'object' ? group.encoding : { name: group.encoding ?? 'piecewise-linear' };
        return numbers.flatMap(({ name, columns, compute }) => {
          const read = (cells: readonly Cell[]): Items => [[numberOf(compute(cells)), 1]];
          return numberFields({ name, columns, read }, encoding.name, encoding, single);
        });
      }
      const columns = typeof entry === 'string' ? [entry] : isList(entry) ? entry : [entry.name];
      const [column] = columns as [string];
      const options = { ...group, ...own };
      const isNumber = NUMBER_TYPES.includes(group.type);
      const read = (cells: readonly Cell[]): Items => {
        const texts = cells.map((cell) => clean(isNumber ? numberText(cell, data.decimal) : oneText(cell)));
        if (texts.length > 1 && texts.some((text) => text.includes('\u001f'))) throw new Bad();
        return [[texts.length > 1 && texts.includes('') ? '' : texts.join('\u001f'), 1]];
      };
      const field = { name: column, columns, read };
      if (isNumber) return numberFields(field, group.type, options, single);
      switch (group.type) {
        case 'categorical':
          return [single(field, encodingOf(options.encoding, column), options)];
        case 'cross': {
          const hashed = { name: 'hash', buckets: options.buckets, seed: options.seed };
          return [single({ ...field, name: columns.join('_X_') }, encodingOf(options.encoding ?? hashed, column))];
        }
        case 'date':
          return (options.parts ?? ['hour', 'weekday']).map((part) =>
            single({ ...field, name: `${column}_${part}` }, dateCodec(part, options), options),
          );
        case 'bag': {
          const bag = single(field, encodingOf(options.encoding, column), { table: options.table });
          const encode = (items: Items): Value =>
            items.map(([id, weight]) => [codecs[bag.owner]!.encode(id), Math.fround(weight)]);
          return [{ ...bag, read: ([cell]) => readBag(cell!, options, clean), encode }];
        }
        default:
          return [{ ...field, owner: column, ...vectorCodec(options, clean) }];
      }
    });
  });
}

/** The fields of a sequence: each reads the lists of all columns. */
function sequenceFeatures(
  entries: readonly SequenceEntry[],
  group: Omit<GroupOptions, 'fields'> & SequenceOptions,
  clean: Clean,
  codecs: Record<string, Pick<Codec, 'encode'>>,
): readonly Feature[] {
  const sequences = group.aligned === false ? entries.map((entry) => [entry]) : [entries];
  return sequences.flatMap((own) => {
    const matched = matchedEntry(own, group)?.target;
    const columns = [
      ...own.map(({ name }) => name),
      ...own.flatMap(({ until }) => until ?? []),
      ...(matched === undefined ? [] : [matched]),
    ];
    return own.flatMap((entry): readonly Feature[] => {
      const { name: column, target, as, buckets, scaling, encoding } = entry;
      const name = `${group.name}.${column}`;
      const isNumber = as !== undefined || scaling !== undefined;
      const codec: Codec =
        buckets !== undefined
          ? { encode: (text) => octaveOf(toNumber(text)) }
          : isNumber
            ? numberCodec({ scaling: scaling ?? 'log1p' })
            : encodingOf(encoding, column);
      codecs[name] = codec;
      const isStoredAsNumber = isNumber && buckets === undefined;
      const encodeItem = ([text, weight]: Items[number]): readonly number[] => {
        if (isStoredAsNumber) return [0, Math.fround(codec.encode(text))];
        return [text === '' ? 0 : codecs[target ?? name]!.encode(text), Math.fround(weight)];
      };
      if (entry.pooling !== undefined) return nestedFeatures(name, own, entry, group, clean, codecs, columns);
      return [
        {
          name,
          columns,
          owner: target ?? name,
          read: (cells) => readSequence(own, entry, group, (each) => cells[columns.indexOf(each)]!, clean),
          encode: (items) => naming(column, () => items.map(encodeItem)),
          observed: (items) => items.filter(([text]) => text !== ''),
          learn: (rows) => codec.learn?.(rows.flat().map(([text]) => text)),
        },
      ];
    });
  });
}

/** The fields of items with several values: their numbers, and the values. An item is a list in JSON. */
function nestedFeatures(
  name: string,
  own: readonly SequenceEntry[],
  entry: SequenceEntry,
  group: Omit<GroupOptions, 'fields'> & SequenceOptions,
  clean: Clean,
  codecs: Record<string, Pick<Codec, 'encode'>>,
  columns: readonly string[],
): readonly Feature[] {
  const { name: column, target = name } = entry;
  const valuesOf = ([text]: Items[number]): readonly string[] => JSON.parse(text) as readonly string[];
  const read: Feature['read'] = (cells) =>
    readSequence(own, entry, group, (each) => cells[columns.indexOf(each)]!, clean);
  return [
    {
      name: `${name}.counts`,
      columns,
      owner: `${name}.counts`,
      read,
      encode: (items) => items.map((item) => [0, valuesOf(item).length]),
      learn: () => undefined,
    },
    {
      name,
      columns,
      owner: target,
      read,
      encode: (items) => naming(column, () => items.flatMap(valuesOf).map((text) => [codecs[target]!.encode(text), 1])),
      observed: (items) => items.flatMap(valuesOf).map((text) => [text, 1]),
      learn: (rows) => (codecs[name] as Codec).learn?.(rows.flat().map(([text]) => text)),
    },
  ];
}

/** The entry whose items equal the value of its target, if there is one. */
function matchedEntry(entries: readonly SequenceEntry[], { keep }: SequenceOptions): SequenceEntry | undefined {
  const matching = keep !== undefined && 'last' in keep ? keep.matching : undefined;
  return entries.find(({ name }) => name === matching);
}

/** Parses a time: a number, or a date and time in seconds. */
function momentOf(text: string): number {
  if (NUMBER.test(text)) return toNumber(text);
  const time = parseTime(text);
  if (time === undefined) throw new Bad();
  return (time.written - (time.ahead ?? 0)) / 1000;
}

/** Reads the selected items of one column of a sequence; those of times as ages. */
function readSequence(
  entries: readonly SequenceEntry[],
  { name, until, pooling }: SequenceEntry,
  options: Omit<GroupOptions, 'fields'> & SequenceOptions,
  cellOf: (column: string) => Cell,
  clean: Clean,
): Items {
  const { aligned = true, order = { newest: 'last' } } = options;
  const readers = entries.map(({ name: column, pooling }) => [
    column,
    naming(column, () =>
      pooling !== undefined
        ? readNested(cellOf(column), options, clean)
        : aligned
          ? readAligned(cellOf(column), options, clean)
          : readBag(cellOf(column), options, clean),
    ),
  ]);
  const lists = Object.fromEntries(readers) as Readonly<Record<string, Items>>;
  const unequal = entries.filter((entry) => lists[entry.name]!.length !== lists[entries[0]!.name]!.length);
  if (unequal.length > 0) throw new Bad([...new Set(unequal.map((entry) => entry.name))].join(', '), true);
  for (const { name: column } of entries)
    naming(column, () => {
      if (aligned && lists[column]!.some(([, weight]) => weight !== 1)) throw new Bad();
    });
  for (const { name: column, as } of entries)
    if (as === 'age' || ('by' in order && order.by === column))
      naming(column, () => lists[column]!.forEach(([text]) => momentOf(text)));
  const untils = Object.fromEntries(
    entries.flatMap(({ until: end }) =>
      end === undefined ? [] : [[end, naming(end, () => momentOf(clean(oneText(cellOf(end)))))] as const],
    ),
  );
  const target = matchedEntry(entries, options)?.target;
  const candidate = target === undefined ? undefined : naming(target, () => clean(oneText(cellOf(target))));
  const picked = selectedItems(entries, options, { lists, untils, timeOf: momentOf, candidate });
  const valuesOf = (column: string, i: number): readonly string[] =>
    JSON.parse(lists[column]![i]![0]) as readonly string[];
  // Values of items that are not selected may be anything.
  for (const { name: column, pooling } of entries)
    if (pooling !== undefined)
      naming(column, () => {
        if (picked.some((i) => valuesOf(column, i).includes(''))) throw new Bad();
      });
  return picked.map((i) => {
    const [text, weight] = lists[name]![i]!;
    if (pooling !== undefined)
      return [
        JSON.stringify(
          valuesOf(name, i)
            .map(clean)
            .filter((value) => value !== ''),
        ),
        weight,
      ];
    return [until === undefined ? text : String(untils[until]! - momentOf(text)), weight];
  });
}

/** Reads a list of lists; each item is a list in JSON. */
function readNested(cell: Cell, { separators, format = 'auto' }: FieldOptions, clean: Clean): Items {
  const text = clean(textOf(cell));
  const isListed = typeof cell !== 'string' || (format !== 'separated' && /^\[[^]*\]$/.test(text));
  if (!isListed && format === 'json' && text !== '') throw new Bad();
  const split = (item: string): readonly string[] => (item === '' ? [] : item.split(separators?.values ?? ';'));
  const written = (): readonly unknown[] =>
    text === '' ? [] : text.split(separators?.items ?? '|').map((item) => split(clean(item)));
  return (isListed ? (JSON.parse(text) as readonly unknown[]) : written()).map((item) => {
    if (item !== null && !isList(item as never)) throw new Bad();
    return [JSON.stringify(item ?? []), 1];
  });
}

/** Reads a list without weights, whose missing items stay. */
function readAligned(cell: Cell, { separators, format = 'auto' }: FieldOptions, clean: Clean): Items {
  const text = clean(textOf(cell));
  const isListed = typeof cell !== 'string' || (format !== 'separated' && /^\[[^]*\]$/.test(text));
  if (!isListed) {
    if (format === 'json' && text !== '') throw new Bad();
    return text === '' ? [] : text.split(separators?.items ?? '|').map((item) => [clean(item), 1]);
  }
  return (JSON.parse(text) as readonly unknown[]).map((item) => {
    const [id, weight] = isList(item as never) ? (item as readonly [unknown, number]) : ([item, 1] as const);
    // The generator writes strings, numbers and null.
    return [clean(id === null ? '' : `${id as string | number}`), weight];
  });
}

const isList = (entry: GroupOptions['fields'][number]): entry is readonly string[] => Array.isArray(entry);
const NUMBER_TYPES = ['numeric', 'bucketized', 'piecewise-linear'];

/** The fields of a number: of a column, or computed. */
function numberFields(
  field: Pick<Feature, 'name' | 'columns' | 'read'>,
  type: string,
  options: FieldOptions,
  single: (field: Pick<Feature, 'name' | 'columns' | 'read'>, codec: Codec, options?: FieldOptions) => Feature,
): readonly Feature[] {
  const { name } = field;
  if (type === 'bucketized')
    return [
      single({ ...field, name: `${name}_bucketized` }, bucketCodec(options), { fillMissing: options.fillMissing }),
    ];
  if (type === 'piecewise-linear') return [single({ ...field, name: `${name}_piecewise` }, piecewiseCodec(options))];
  const encode = (text: string): number => (text === '' ? 1 : 0 * toNumber(text));
  const indicator = options.indicator === true ? [single({ ...field, name: `${name}_missing` }, { encode })] : [];
  return [single(field, numberCodec(options)), ...indicator];
}

/** A number that is computed from columns; NaN is missing. */
interface Computed extends Pick<Feature, 'name' | 'columns'> {
  compute(cells: readonly Cell[]): number;
}

/** The text of a computed number; it is missing outside of the range of a 32-bit float. */
const numberOf = (value: number): string => (Number.isFinite(Math.fround(value)) ? String(value) : '');

/** Calls `read`; a Bad value is that of the column, not of the others of the feature. */
function naming<T>(column: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof Bad ? new Bad(column, true) : error;
  }
}

function expressionOf({ name, expression }: NamedExpression, data: DataOptions, clean: Clean): Computed {
  const { columns, value } = EXPRESSIONS[expression]!;
  const read = (column: string, cell: Cell): string | number => {
    if (TEXT_COLUMNS.includes(column)) return clean(oneText(cell));
    const text = clean(numberText(cell, data.decimal));
    return text === '' ? NaN : toNumber(text);
  };
  return {
    name,
    columns,
    compute: (cells) =>
      value(
        // Each column has the type that the expression expects.
        Object.fromEntries(
          columns.map((column, c) => [column, naming(column, () => read(column, cells[c]!))]),
        ) as never,
      ),
  };
}

/** The numbers of a match: each is computed from the items that equal the candidate. */
function matchesOf(
  { candidate, history }: MatchPair,
  group: Omit<GroupOptions, 'fields'>,
  clean: Clean,
): readonly Computed[] {
  const { outputs = ['present', 'count', 'share', 'recency'], newest = 'last' } = group;
  const pooling = outputs.includes('share') ? 'mean' : 'sum';
  const sum = (items: Items): number => items.reduce((total, [, weight]) => total + weight, 0);
  const numbers: Readonly<Record<MatchOutput, (items: Items, same: Items) => number>> = {
    present: (_, same) => Math.min(same.length, 1),
    count: (_, same) => same.length,
    weight: (_, same) => sum(same),
    share: (items, same) => (sum(items) === 0 ? 0 : sum(same) / sum(items)),
    recency: (items, same) =>
      (newest === 'last' ? items.toReversed() : items).indexOf(same.at(newest === 'last' ? -1 : 0)!) + 1,
  };
  return outputs.map((output) => ({
    name: `${candidate}_in_${history}_${output}`,
    columns: [candidate, history],
    compute([one, many]) {
      const own = naming(candidate, () => clean(oneText(one!)));
      const items = naming(history, () => readBag(many!, { ...group, pooling }, clean));
      return numbers[output](
        items,
        items.filter(([id]) => id === own),
      );
    },
  }));
}

function encodingOf(spec: FieldOptions['encoding'] = 'ids', column: string): Codec {
  const { name, minCount = 1, buckets = 1, seed = 0, sizes = {} } = typeof spec === 'string' ? { name: spec } : spec;
  if (name === 'ids') return idCodec(sizes[column]);
  if (name === 'tokens') return tokenCodec(minCount);
  if (name === 'auto') return autoCodec();
  const bucketOf = (text: string): number => 1 + (murmur3(Buffer.from(wellFormed(text)), seed) % buckets);
  return { encode: (text) => (text === '' ? 0 : bucketOf(text)), rows: () => buckets + 1 };
}

function idCodec(given = Infinity): Codec {
  let size = given;
  const parse = (text: string): number => {
    if (!/^\d+$/.test(text) || Number(text) >= Math.min(given, 2 ** 31)) throw new Bad();
    return Number(text);
  };
  return {
    encode: (text) => (parse(text) < size ? parse(text) : 0),
    learn: (texts) => void (size = given < Infinity ? given : 1 + Math.max(0, ...texts.map(parse))),
    rows: () => size,
  };
}

/** Most frequent first, then in string order. */
function tokenCodec(minCount: number): Codec {
  let vocabulary: readonly string[] = [];
  return {
    hasVocabulary: true,
    encode: (text) => vocabulary.indexOf(wellFormed(text)) + 1,
    learn(texts) {
      const counts: Record<string, number> = {};
      for (const text of texts) counts[text] = (counts[text] ?? 0) + 1;
      const frequent = Object.entries(counts).filter(([, count]) => count >= minCount);
      vocabulary = frequent.sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([text]) => text);
    },
  };
}

/** Ids if all strings are integers from 1 that cover half of their range. */
function autoCodec(): Codec {
  let ids: Codec | undefined;
  const tokens = tokenCodec(1);
  return {
    hasVocabulary: true,
    encode: (text) =>
      (ids === undefined ? tokens : /^\d+$/.test(text) && Number(text) < 2 ** 31 ? ids : NONE).encode(text),
    learn(texts) {
      const areIds = texts.length > 0 && texts.every((text) => /^[1-9]\d{0,9}$/.test(text) && Number(text) < 2 ** 31);
      if (areIds && new Set(texts).size >= Math.max(...texts.map(Number)) / 2) ids = idCodec();
      (ids ?? tokens).learn!(texts);
    },
  };
}
const NONE: Codec = { encode: () => 0 };

/** Adds the treatment of missing values: the out-of-vocabulary id, a separate row, or an error. */
function withMissing(codec: Codec, missing: FieldOptions['fillMissing']): Required<Pick<Codec, 'encode' | 'learn'>> {
  const isString = missing === 'token' && codec.hasVocabulary === true;
  const named = (text: string): string => {
    if (isString && text === '\u001f') throw new Bad();
    return isString && text === '' ? '\u001f' : text;
  };
  return {
    learn: (texts) => codec.learn?.(texts.map(named).filter((text) => text !== '')),
    encode(text) {
      if (missing === undefined || named(text) !== '') return codec.encode(named(text));
      if (missing === 'error') throw new Bad();
      return missing === 'token' ? codec.rows!() : 0;
    },
  };
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const ascending = (values: readonly number[]): readonly number[] => [...values].sort((a, b) => a - b);

/** Scaling steps in order, of which one is fitted. */
function scaler(scaling: FieldOptions['scaling'] = 'none') {
  const steps = [scaling].flat();
  const fitted = steps.findIndex((step) => step === 'standard' || step === 'min-max');
  let [subtract, divide] = [0, 1];
  const apply = (value: number, some: readonly string[]): number =>
    some.reduce((scaled, step) => {
      if (step !== 'log1p') return (scaled - subtract) / divide;
      if (scaled <= -1) throw new Bad();
      return Math.log1p(scaled);
    }, value);
  return {
    isFitted: fitted >= 0,
    scale: (value: number) => apply(value, steps),
    learn(values: readonly number[]) {
      const all = values.map((value) => apply(value, steps.slice(0, Math.max(0, fitted))));
      const [least, range, center] = [Math.min(...all), Math.max(...all) - Math.min(...all), mean(all)];
      if (steps[fitted] === 'min-max') [subtract, divide] = [least, range || 1];
      if (steps[fitted] !== 'standard') return;
      [subtract, divide] = range === 0 ? [least, 1] : [center, Math.sqrt(mean(all.map((x) => (x - center) ** 2)))];
    },
  };
}

function numberCodec({ scaling, fillMissing = 'error' }: FieldOptions): Codec {
  const { scale, learn, isFitted } = scaler(scaling);
  let fill = typeof fillMissing === 'number' ? fillMissing : 0;
  return {
    encode: (text) => scale(text === '' && fillMissing !== 'error' ? fill : toNumber(text)),
    learn(texts) {
      const values = ascending(texts.map(toNumber));
      const middle = (values.length - 1) / 2;
      if (values.length === 0 && (isFitted || fillMissing === 'mean' || fillMissing === 'median'))
        throw new NothingToLearn();
      learn(values);
      if (fillMissing === 'mean') fill = mean(values);
      if (fillMissing === 'median') fill = (values[Math.floor(middle)]! + values[Math.ceil(middle)]!) / 2;
    },
  };
}

/**
 * Lower bounds of buckets, except of the first. A value with more rows than an equal share of the rows without heavier
 * values has a bucket of its own; the values between two of these share buckets with sizes as equal as possible.
 */
function quantilesOf(values: readonly number[], count: number): readonly number[] {
  const rowsOf = (some: readonly number[]): number => values.filter((value) => some.includes(value)).length;
  const distinct = ascending([...new Set(values)]);
  const byRows = [...distinct].sort((a, b) => rowsOf([b]) - rowsOf([a]));
  const isLight = (value: number, i: number): boolean =>
    i >= count - 1 || rowsOf([value]) * (count - i) <= rowsOf(byRows.slice(i));
  const numHeavy = [...byRows.map(isLight), true].indexOf(true);
  const groupsWith = (heavy: readonly number[]): readonly (readonly number[])[] => {
    const groups: number[][] = [];
    for (const value of distinct) {
      const last = groups.at(-1);
      if (last === undefined || heavy.includes(value) || heavy.includes(last[0]!)) groups.push([value]);
      else last.push(value);
    }
    return groups;
  };
  const choices = Array.from({ length: numHeavy + 1 }, (_, dropped) => byRows.slice(0, numHeavy - dropped));
  const heavy = choices.find((choice) => groupsWith(choice).length <= count)!;
  const groups = groupsWith(heavy);
  const lightRows = (some: readonly number[]): number => rowsOf(some.filter((value) => !heavy.includes(value)));
  // Buckets beyond one per group, up to the end of each group.
  const more = groups.map((_, g) =>
    Math.round(((count - groups.length) * lightRows(groups.slice(0, g + 1).flat())) / (lightRows(distinct) || 1)),
  );
  return groups.flatMap((group, g) => [
    ...(g > 0 ? [group[0]!] : []),
    ...equalBounds(
      values.filter((value) => group.includes(value)),
      1 + more[g]! - (more[g - 1] ?? 0),
    ),
  ]);
}

/** Lower bounds of buckets with sizes as equal as possible, except of the first. */
function equalBounds(values: readonly number[], count: number): readonly number[] {
  const [, ...candidates] = ascending([...new Set(values)]);
  const below = candidates.map((candidate) => values.filter((value) => value < candidate).length);
  const nearest = Array.from({ length: count - 1 }, (_, i) => {
    const distances = below.map((number) => Math.abs(number - ((i + 1) * values.length) / count));
    return candidates[distances.indexOf(Math.min(...distances))]!;
  });
  return candidates.length === 0 ? [] : [...new Set(nearest)];
}

function bucketCodec({ boundaries, quantiles = 0 }: FieldOptions): Codec {
  let limits = boundaries ?? [];
  return {
    encode(text) {
      if (text === '') return 0;
      const value = toNumber(text);
      return 1 + limits.filter((limit) => limit <= value).length;
    },
    learn: (texts) => void (limits = boundaries ?? quantilesOf(texts.map(toNumber), quantiles)),
    rows: () => limits.length + 2,
  };
}

function piecewiseCodec({ bins = 32, fillMissing }: FieldOptions): Codec {
  let knots: readonly number[] = [];
  return {
    encode(text) {
      if (text === '' && fillMissing !== 'error') return 0;
      const value = toNumber(text);
      const at = knots.filter((knot) => knot <= value).length;
      if (at === 0 || at === knots.length) return Math.max(1, at);
      return at + (value - knots[at - 1]!) / (knots[at]! - knots[at - 1]!);
    },
    learn(texts) {
      const values = texts.map(toNumber);
      if (values.length === 0) throw new NothingToLearn();
      knots = [...new Set([Math.min(...values), ...quantilesOf(values, bins), Math.max(...values)])];
    },
  };
}

function dateCodec(part: string, { format = 'iso', timeZone = 'UTC' }: FieldOptions): Codec {
  const encode = (text: string): number => {
    if (text === '') return 0;
    const unit = format === 'seconds' ? 1000 : 1;
    const time = format === 'iso' ? parseTime(text) : { written: toNumber(text) * unit, ahead: 0, isDay: false };
    if (time === undefined || (part === 'hour' && time.isDay)) throw new Bad();
    const instant = time.written - (time.ahead ?? 0);
    const local = new Date(time.ahead === undefined ? time.written : instant + zoneOffset(instant, timeZone));
    if (part === 'hour') return 1 + local.getUTCHours();
    if (part === 'weekday') return 1 + ((local.getUTCDay() + 6) % 7);
    return part === 'day' ? local.getUTCDate() : 1 + local.getUTCMonth();
  };
  return { encode, rows: () => 1 + { hour: 24, weekday: 7, day: 31, month: 12 }[part]! };
}

/** Milliseconds that a zone is ahead of UTC. */
function zoneOffset(instant: number, timeZone: string): number {
  const [, hours] = /^([+-]\d\d):00$/.exec(timeZone) ?? [];
  if (hours !== undefined) return Number(hours) * 3_600_000;
  const clock = new Date(instant).toLocaleString('sv-SE', { timeZone });
  return Date.parse(`${clock.replace(' ', 'T')}Z`) - Math.floor(instant / 1000) * 1000;
}

/** Reads the items of a bag that are not null values: those with the largest weights. */
function readBag(cell: Cell, options: FieldOptions, clean: Clean): Items {
  const {
    separators: { items: between = '|', weight: colon = ':' } = {},
    format = 'auto',
    maxItems = Infinity,
  } = options;
  const separated = (written: string): Items => {
    const item = clean(written);
    const at = item.lastIndexOf(colon);
    if (item === '' && written !== '') return [];
    return [at < 0 ? [item, 1] : [item.slice(0, at), toNumber(item.slice(at + 1))]];
  };
  const text = typeof cell === 'string' ? clean(cell) : cell.json;
  const isListed = typeof cell !== 'string' || (format !== 'separated' && /^\[[^]*\]$/.test(text));
  const listed = isListed ? jsonItems(text) : undefined;
  if (listed === undefined && format === 'json' && text !== '') throw new Bad();
  const items = (listed ?? (text === '' ? [] : text.split(between).flatMap(separated))).filter(
    ([id]) => id === '' || clean(id) !== '',
  );
  for (const [id, weight] of items)
    if (id === '' || !Number.isFinite(Math.fround(weight)) || (weight < 0 && (options.pooling ?? 'mean') === 'mean'))
      throw new Bad();
  // The first among equals.
  const byWeight = items.map((_, i) => i).sort((a, b) => items[b]![1] - items[a]![1] || a - b);
  return items.filter((_, i) => byWeight.indexOf(i) < maxItems).map(([id, weight]) => [clean(id), weight]);
}

/** Parses a JSON list of ids, pairs or objects; undefined if it is not JSON. */
function jsonItems(text: string): Items | undefined {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    if (text.startsWith("['")) throw new Bad();
    return undefined;
  }
  if (!Array.isArray(list)) return [[text, 1]];
  return list.map((item: unknown) => {
    const pair = Array.isArray(item)
      ? item.length === 2
        ? { id: item[0] as unknown, weight: item[1] as unknown }
        : {}
      : item;
    const { id, weight = 1 } = (typeof pair === 'object' ? (pair ?? {}) : { id: pair }) as {
      id?: unknown;
      weight?: unknown;
    };
    if (typeof id !== 'string' && !Number.isSafeInteger(id)) throw new Bad();
    return [String(id), typeof weight === 'number' ? weight : NaN];
  });
}

function vectorCodec(options: FieldOptions, clean: Clean): Omit<Feature, 'name' | 'columns' | 'owner'> {
  const { length: given, fillMissing = 'error', indicator = false, separator = '|', scaling } = options;
  let [length, fills] = [given, [] as readonly number[]];
  const scalers: ReturnType<typeof scaler>[] = [];
  const scalerAt = (i: number): ReturnType<typeof scaler> => (scalers[i] ??= scaler(scaling));
  return {
    read([cell]) {
      const text = clean(textOf(cell!));
      const inner = /^\[([^]*)\]$/.exec(text)?.[1]!.trim();
      if ((inner ?? text) === '') return [];
      const parts = inner === undefined ? text.split(separator) : inner.split(inner.includes(',') ? ',' : /\s+/);
      return parts.map((part) => [part.trim(), Math.fround(toNumber(part.trim()))]);
    },
    encode(items) {
      if (items.length === 0 ? fillMissing === 'error' : items.length !== (length ?? items.length)) throw new Bad();
      const values =
        items.length === 0
          ? Array.from({ length: length ?? 0 }, (_, i) => fills[i] ?? 0)
          : items.map(([, value]) => value);
      const scaled = values.map((value, i) => scalerAt(i).scale(value));
      return indicator ? [...scaled, Number(items.length === 0)] : scaled;
    },
    accept: (items) => void (length ??= items.length || undefined),
    learn(rows) {
      const vectors = rows.filter(({ length: found }) => found > 0);
      if (vectors.length === 0 && (given === undefined || fillMissing === 'mean' || scalerAt(0).isFitted))
        throw new NothingToLearn();
      for (let i = 0; i < (vectors.length && length!); i++) {
        const values = vectors.map((vector) => vector[i]![1]);
        scalerAt(i).learn(values);
        if (fillMissing === 'mean') fills = [...fills, mean(values)];
      }
    },
  };
}
