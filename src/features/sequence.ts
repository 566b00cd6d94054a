import { z } from 'zod';
import type { Component, OptionsOf, ValidationIssue } from '../core/component.js';
import { scalingOption } from '../core/scaling.js';
import { columnName } from '../core/tasks.js';
import { encoderOption, encoders, type EncoderSpec } from '../sequences/encoders.js';
import { POOLINGS } from '../tables/layout.js';
import { checkSeparators, listOptions, nestedSeparators } from './bag.js';
import { cellShape, joinCells } from './cells.js';
import { computeOnce } from './computed.js';
import { embeddedField, embeddedOptions } from './embedded.js';
import { listFieldKeys } from './encodings/encodings.js';
import type { Field, ItemColumn, SequencePart, Source } from './feature.js';
import { logBuckets } from './log-buckets.js';
import { numberField } from './numeric.js';
import { itemOutputs, selectItems } from './sequence-items.js';

/** Separator of the values of an item, if the config sets none. */
const VALUES_SEPARATOR = ';';

/** Maximum number of items per row, if the config sets none. */
const DEFAULT_ITEMS = 50;

const { width, encoding } = embeddedOptions;
/** Options of an entry with a table of its own, with their defaults. */
const ownTable = z.object({ width, encoding });

const entry = z.strictObject({
  name: columnName.describe('Column with a list per row'),
  target: columnName.optional().describe('Field of the candidate: shares its table and is compared with it'),
  scaling: scalingOption.optional().describe('Scaling of items that are numbers; default: items are ids'),
  as: z.enum(['age']).optional().describe('age: time from each item to the time of the row'),
  until: columnName.optional().describe('Column with the time of the row; items of that time or later are dropped'),
  buckets: z.enum(['log']).optional().describe('Embeds an age by its logarithm; default: a number'),
  width: width.unwrap().optional().describe('Embedding dimension without a target; default: 16'),
  encoding: encoding.unwrap().optional().describe('Encoding of ids without a target; default: ids'),
  pooling: z
    .enum(POOLINGS)
    .optional()
    .describe('Pooling of items that are lists of ids: sum, mean or sqrtn; default: items are single ids'),
});
type Entry = z.output<typeof entry>;

const options = () => ({
  name: z.string().optional().describe('Name of the sequence in checkpoints; default: name of the group'),
  fields: z
    .array(z.union([columnName, entry]))
    .min(1)
    .describe('Columns with a list per row; a map sets options for one, as in { name: …, target: … }'),
  aligned: z
    .boolean()
    .default(true)
    .describe('Whether the lists of a row are aligned item by item; false: each is a sequence of weighted items'),
  order: z
    .strictObject({
      newest: z.enum(['first', 'last']).optional().describe('End of a list that has the newest item'),
      by: columnName.optional().describe('Field with the time of each item'),
    })
    .default({ newest: 'last' })
    .describe('Order of the items: which end is the newest, or the field with their times'),
  keep: z
    .strictObject({
      last: z.int().min(1).optional().describe('Maximum items per row; the newest are kept'),
      heaviest: z.int().min(1).optional().describe('Maximum items per row; the largest weights are kept'),
      matching: columnName
        .optional()
        .describe('Field with a target: keeps items that equal the candidate; chosen before last applies'),
    })
    .default({ last: DEFAULT_ITEMS })
    .describe('Items to keep per row: the newest ones, all or matching, or those with the largest weights'),
  encoder: z
    .union([encoderOption, z.array(encoderOption).min(1)])
    .describe('Encoder of the items, or a list whose outputs are concatenated'),
  ...listOptions,
  separators: nestedSeparators,
  ...cellShape,
});
type SequenceOptions = OptionsOf<ReturnType<typeof options>>;

/** Items of a row in order, such as the items that a user clicked: read one by one, and encoded with the candidate. */
export const sequence: Component<'sequence', ReturnType<typeof options>, [], readonly Field[]> = {
  name: 'sequence',
  summary: 'items per row, in order, encoded one by one together with the candidate',
  options,

  *check(options) {
    yield* checkSeparators(options);
    yield* checkValuesSeparator(options);
    yield* checkKeep(options);
    const entries = listEntries(options);
    for (const [i, each] of entries.entries())
      for (const { path, message } of checkEntry(each, options)) yield { path: ['fields', i, ...path], message };
    const { by } = options.order;
    const timed = entries.find(({ name }) => name === by);
    if (by !== undefined && timed === undefined)
      yield { path: ['order', 'by'], message: `'${by}' is not in fields; add it there` };
    if (timed?.pooling !== undefined)
      yield { path: ['order', 'by'], message: `'${timed.name}' has a list per item; name a field of times` };
    yield* checkMatching(options);
    const needsTarget = listEncoders(options).find((spec) => encoders.partOf(spec).requiresTarget);
    if (needsTarget !== undefined && !entries.some(({ target }) => target !== undefined))
      yield {
        path: ['encoder'],
        message: `${needsTarget.name} compares items with the candidate; set target for a field`,
      };
  },

  build(options) {
    const entries = listEntries(options);
    const group = options.name ?? entries[0]!.name;
    const fields = options.aligned
      ? sequenceFields({ group, name: group, entries, first: 0 }, options)
      : entries.flatMap((each, first) =>
          sequenceFields({ group, name: fieldName(group, each), entries: [each], first }, options),
        );
    return fields;
  },
};

/** A field of items. */
type ItemField = Extract<Field, { readonly sequence: SequencePart }>;

/** Columns that are aligned. */
interface AlignedColumns {
  /** Prefix of the names of fields. */
  readonly group: string;
  /** Name of the sequence. */
  readonly name: string;
  readonly entries: readonly Entry[];
  /** Index of the first entry in the group. */
  readonly first: number;
}

function fieldName(group: string, { name }: Entry): string {
  return `${group}.${name}`;
}

function listEntries({ fields }: SequenceOptions): readonly Entry[] {
  return fields.map((each) => (typeof each === 'string' ? { name: each } : each));
}

function listEncoders({ encoder }: SequenceOptions): readonly EncoderSpec[] {
  return Array.isArray(encoder) ? encoder : [encoder];
}

function* checkValuesSeparator({ fields, separators }: SequenceOptions): Generator<ValidationIssue> {
  const { items, values = VALUES_SEPARATOR } = separators;
  if (values === items && fields.some((each) => typeof each !== 'string' && each.pooling !== undefined))
    yield {
      path: ['separators', separators.values === undefined ? 'items' : 'values'],
      message: `'${items}' separates items and the values of an item; set another character for one`,
    };
}

function* checkKeep({ aligned, keep, order }: SequenceOptions): Generator<ValidationIssue> {
  const choices = { order: [order.newest, order.by], keep: [keep.last, keep.heaviest] };
  for (const [key, values] of Object.entries(choices))
    if (values.filter((value) => value !== undefined).length !== 1)
      yield { path: [key], message: `expected one key; set ${key === 'keep' ? 'last or heaviest' : 'newest or by'}` };
  if (aligned && keep.heaviest !== undefined)
    yield { path: ['keep', 'heaviest'], message: 'aligned items have no weights; use last, or set aligned: false' };
  if (!aligned && order.by !== undefined)
    yield { path: ['order', 'by'], message: 'requires aligned items; remove it, or set aligned: true' };
}

function* checkMatching(options: SequenceOptions): Generator<ValidationIssue> {
  const { aligned } = options;
  const { matching } = options.keep;
  if (matching === undefined) return;
  const path = ['keep', 'matching'];
  const entries = listEntries(options);
  const entry = entries.find(({ name }) => name === matching);
  if (!aligned) yield { path, message: 'requires aligned items; remove it, or set aligned: true' };
  else if (entry === undefined) yield { path, message: `'${matching}' is not in fields; add it there with a target` };
  else if (entry.target === undefined)
    yield { path, message: `'${matching}' has no target, which its items must equal; set target: a field` };
  else if (isNested(entry))
    yield { path, message: `'${matching}' has several values per item, which equal no candidate; name another field` };
}

function* checkEntry(
  { name, target, scaling, as, until, buckets, width, encoding, pooling }: Entry,
  { aligned }: SequenceOptions,
): Generator<ValidationIssue> {
  const isNumber = hasNumbers({ scaling, as });
  for (const [option, field] of encoding === undefined ? [] : listFieldKeys(encoding))
    if (field !== name) yield { path: ['encoding', option, field], message: `expected the column, '${name}'` };
  if (as === 'age' && until === undefined)
    yield { path: ['as'], message: 'requires the time of the row; set until: a column' };
  if (until !== undefined && as === undefined)
    yield { path: ['until'], message: 'requires the times of the items; set as: age' };
  for (const [key, value] of Object.entries({ scaling, as, pooling }))
    if (value !== undefined && !aligned)
      yield { path: [key], message: 'requires aligned items; remove it, or set aligned: true' };
  if (buckets !== undefined && as === undefined)
    yield { path: ['buckets'], message: 'applies to ages; set as: age, or remove it' };
  if (buckets !== undefined && scaling !== undefined)
    yield { path: ['scaling'], message: 'buckets and scaling are mutually exclusive; remove one' };
  if (isNumber && target !== undefined)
    yield { path: ['target'], message: 'applies to ids, not to numbers; remove it, scaling or as' };
  if (isNumber && pooling !== undefined)
    yield { path: ['pooling'], message: 'applies to ids, not to numbers; remove it, scaling or as' };
  for (const [key, value] of Object.entries({ width, encoding })) {
    const isUsed = target === undefined && (!isNumber || (key === 'width' && buckets !== undefined));
    if (value !== undefined && !isUsed)
      yield {
        path: [key],
        message:
          target === undefined ? 'applies to ids, not to numbers; remove it' : `is that of '${target}'; remove it`,
      };
  }
}

/** Builds the fields of aligned columns. */
function sequenceFields({ group, name, entries, first }: AlignedColumns, options: SequenceOptions): readonly Field[] {
  const { aligned, keep, order, separators, format } = options;
  const { values = VALUES_SEPARATOR, ...others } = separators;
  const shared = { ...others, format, keepsMissing: aligned, ...(aligned && { weight: undefined }) };
  const columns = entries.map((each): ItemColumn => ({
    name: each.name,
    until: each.until,
    form: { ...shared, ...(hasNumbers(each) && { areNumbers: true }), ...(isNested(each) && { areLists: true }) },
    nested: isNested(each) ? { items: values, weight: undefined, format: 'item' } : undefined,
  }));
  // The column of a target that is matched has its name.
  const candidate = entries.find((each) => each.name === keep.matching)?.target;
  const selection = { order, keep, candidate, isWeighted: !aligned };
  const lists = { columns, last: keep.last, selection };
  const compute = computeOnce(selectItems(columns, selection));
  const ofRow = [...entries.map(({ until }) => until), candidate].filter((each) => each !== undefined);
  const sources: readonly Source[] = [
    ...columns.map(({ name, form }): Source => ({ name, holds: 'bag', form })),
    ...ofRow.map((column): Source => ({ name: column, holds: 'text' })),
  ];
  const read = [...new Set(sources.map((source) => source.name))];
  const rule = JSON.stringify({ order, keep, candidate });
  const selected = `items of ${entries.map((each) => each.name).join(', ')}, ${rule}`;
  const part = (each: Entry): SequencePart => ({
    name,
    target: each.target,
    isMatched: each.name === keep.matching,
    maxItems: (keep.last ?? keep.heaviest)!,
    isWeighted: !aligned,
    encoders: listEncoders(options),
  });
  const computed = (field: ItemField, i: number): Field => ({
    ...field,
    columns: [entries[i]!.name, ...read.filter((column) => column !== entries[i]!.name)],
    cells: joinCells(options, {}),
    computed: {
      sources,
      meaning: `${entries[i]!.name} of ${selected}`,
      itemsOf: entries[i]!.name,
      items: { column: columns[i]!, lists },
      compute,
      output: (field.sequence.countsOf === undefined ? itemOutputs.values : itemOutputs.lengths)(entries[i]!.name),
    },
    entry: first + i,
  });
  const fields = entries.flatMap((each, i) =>
    itemFields(fieldName(group, each), each, part(each)).map((field) => computed(field, i)),
  );
  const aged = entries.findIndex((each) => each.as === 'age');
  if (aged < 0 || !listEncoders(options).some((spec) => encoders.partOf(spec).readsAges)) return fields;
  const ages = ageField(fieldName(group, entries[aged]!), part(entries[aged]!));
  return [...fields, computed(ages, aged)];
}

/** Builds a field of the ages of an entry, neither scaled nor embedded, without its computation. */
function ageField(name: string, part: SequencePart): ItemField {
  return {
    ...numberField(`${name}.age`, { scaling: 'none' }),
    kind: 'itemNumber',
    sequence: { ...part, areAges: true },
  };
}

/** Builds the fields of a column without their computation: one, or for items that are lists, their lengths first. */
function itemFields(name: string, each: Entry, part: SequencePart): readonly ItemField[] {
  const { pooling } = each;
  if (pooling === undefined) return [itemField(name, each, part)];
  const counts = `${name}.counts`;
  const ofCounts: SequencePart = { ...part, target: undefined, countsOf: name };
  return [
    { ...numberField(counts, { scaling: 'none' }), kind: 'itemNumber', sequence: ofCounts },
    itemField(name, each, { ...part, nested: { pooling, counts } }),
  ];
}

/** Builds the field of the values of a column without its computation. */
function itemField(name: string, each: Entry, part: SequencePart): ItemField {
  const { target, scaling, buckets } = each;
  const { width, encoding } = ownTable.parse({ width: each.width, encoding: each.encoding });
  if (buckets !== undefined)
    return { name, columns: [name], owner: name, width, ...logBuckets, kind: 'item', sequence: part };
  if (hasNumbers(each))
    return { ...numberField(name, { scaling: scaling ?? 'log1p' }), kind: 'itemNumber', sequence: part };
  // Options by field name the column.
  const own = embeddedField(each.name, { width, encoding });
  const table = target === undefined ? { owner: name } : { owner: target, isLikeOwner: true as const };
  return { ...own, name, ...table, kind: 'item', sequence: part };
}

/** Returns whether items are lists. */
function isNested({ pooling }: Pick<Entry, 'pooling'>): boolean {
  return pooling !== undefined;
}

/** Returns whether items are numbers or times. */
function hasNumbers({ scaling, as }: Pick<Entry, 'scaling' | 'as'>): boolean {
  return scaling !== undefined || as !== undefined;
}
