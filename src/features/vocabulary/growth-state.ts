import { z } from 'zod';
import type { StoredTensor } from '../../io/safetensors.js';
import type { Admission, AdmissionStart, RareText } from '../admissions/admission.js';
import type { StoredSketch } from './count-sketch.js';
import { readVector } from '../../io/named-tensor.js';
import { namedTensors } from './growth-tensors.js';
import { GrowingVocabulary, type GrowthOptions } from './growing-vocabulary.js';
import type { CountedTexts } from './rare-texts.js';
import { RecentTexts, type Moment, type SlotValues } from './recent-texts.js';
import { createStringPool, textsOfTensors, textTensors, type StringPool } from './string-pool.js';
import { textsSchema, toTextTable } from './stored-texts.js';
import { createTextTable, isVacant, VACANT, type TextTable } from './text-table.js';
import type { TokenChanges } from './token-table.js';

// The state of a growing vocabulary is part of what a field fitted: all of it in a full checkpoint, and the slots that
// changed in a delta. Slots are in order of their last use, so the changed ones are the newest. An admission stores
// tokens with counts or a sketch, an eviction values of rows; what they lack is absent.

/** Texts by slot, vacant if free, with their uses in order: the oldest first. */
export interface StoredTexts {
  readonly texts: TextTable;
  readonly order: Uint32Array;
  /** Batch and time of the last use of each slot in `order`; times are empty without any. */
  readonly batches: Uint32Array;
  readonly times: Float64Array;
  /** Values of each slot in `order`; empty if all are 0. */
  readonly counts: Uint32Array;
  readonly keys: Float64Array;
}

/** Suffix of the tensor with the last batch of a field. */
export const NOW = '.now';

const words = z.custom<Uint32Array>((value) => value instanceof Uint32Array);
const doubles = z.custom<Float64Array>((value) => value instanceof Float64Array);

const growthSchema = z.strictObject({
  vocabulary: textsSchema,
  rowOrder: words,
  rowBatches: words,
  rowTimes: doubles,
  rowCounts: words.optional(),
  rowKeys: doubles.optional(),
  evictionAge: z.number().optional(),
  pending: textsSchema,
  pendingOrder: words,
  pendingBatches: words,
  pendingTimes: doubles,
  pendingCounts: words,
  sketch: words.optional(),
  sketchAges: words.optional(),
  sketchClock: doubles.optional(),
  lastBatch: z.int().min(0),
  lastTimeMs: z.number().nullable(),
});

/** The whole state of a growing vocabulary, with its tokens in order of their rows. */
export type StoredGrowth = Omit<z.output<typeof growthSchema>, 'vocabulary' | 'pending'> & {
  readonly vocabulary: TextTable;
  readonly pending: TextTable;
};

/** Parses the state of a growing vocabulary; undefined for what was fitted otherwise. */
export function parseGrowth(fitted: unknown): StoredGrowth | undefined {
  const { success, data } = growthSchema.safeParse(fitted);
  if (!success) return undefined;
  return { ...data, vocabulary: toTextTable(data.vocabulary), pending: toTextTable(data.pending) };
}

/** What is stored of a vocabulary. */
export interface StoredParts {
  readonly rows: RecentTexts;
  readonly admission: Pick<Admission, 'pending'> & { readonly sketch?: StoredSketch | undefined };
  readonly eviction: { readonly age?: number | undefined };
  readonly now: Moment;
}

/** Returns the whole state of a vocabulary. */
export function storeGrowth({ rows, admission, eviction, now }: GrowingVocabulary): StoredGrowth {
  const { pending, sketch } = admission;
  const counted = { ...(pending !== undefined && { pending }), sketch: sketch?.store() };
  return storeParts({ rows, admission: counted, eviction, now });
}

/** Returns the whole state of what is stored of a vocabulary. */
export function storeParts({
  rows,
  admission: { pending, sketch },
  eviction: { age },
  now,
}: StoredParts): StoredGrowth {
  const [ofRows, ofPending] = [storeTexts(rows), storeTexts(pending ?? NO_TEXTS)];
  return {
    vocabulary: ofRows.texts,
    rowOrder: ofRows.order,
    rowBatches: ofRows.batches,
    rowTimes: ofRows.times,
    ...(rows.hasKeys && { rowCounts: ofRows.counts, rowKeys: ofRows.keys }),
    ...(age !== undefined && { evictionAge: age }),
    pending: ofPending.texts,
    pendingOrder: ofPending.order,
    pendingBatches: ofPending.batches,
    pendingTimes: ofPending.times,
    pendingCounts: ofPending.counts,
    ...(sketch !== undefined && { sketch: sketch.words, sketchAges: sketch.ages, sketchClock: sketch.clock }),
    lastBatch: now.batch,
    lastTimeMs: Number.isNaN(now.timeMs) ? null : now.timeMs,
  };
}

/**
 * Restores a vocabulary from its whole state, whose tokens fit the options.
 * @param seed of random admissions
 */
export function restoreGrowth(options: GrowthOptions, stored: StoredGrowth, seed: number): GrowingVocabulary {
  const hasTimes = hasTimesOf(options);
  const [ofRows, ofPending] = listTexts(stored);
  const rows = restoreTexts(ofRows, options.capacity, { hasTimes, hasKeys: options.eviction.hasKeys });
  const numPending = ofPending.texts.offsets.length - 1;
  const start: AdmissionStart = {
    seed,
    rare: [],
    pending: (minCapacity) => restoreTexts(ofPending, Math.max(minCapacity, numPending), { hasTimes }),
    sketch: storedSketch(stored),
  };
  // Times that were not stored count from the next batch.
  const lacksTimes = hasTimes && stored.rowTimes.length < stored.rowOrder.length;
  const timeMs = lacksTimes ? NaN : (stored.lastTimeMs ?? NaN);
  return growFrom(options, rows, start, { batch: stored.lastBatch, timeMs }, stored.evictionAge);
}

/**
 * Creates a vocabulary with the tokens of a fit, the most frequent first, and with the counts of rare ones.
 * @param seed of random admissions
 */
export function startGrowth(
  options: GrowthOptions,
  { vocabulary, rare }: CountedTexts,
  seed: number,
): GrowingVocabulary {
  const hasTimes = hasTimesOf(options);
  const now = { batch: 0, timeMs: NaN };
  const rows = new RecentTexts(options.capacity, { hasTimes, hasKeys: options.eviction.hasKeys });
  const ids = Uint32Array.from({ length: vocabulary.offsets.length - 1 }, (_, i) => i + 1);
  const vacant = ids.filter((id) => isVacant(vocabulary, id));
  // The rarest are the first to be evicted.
  const used = ids.filter((id) => !isVacant(vocabulary, id)).reverse();
  rows.replace(
    vacant,
    used,
    (i) => textAt(vocabulary, used[i]! - 1),
    () => now,
  );
  const start: AdmissionStart = {
    seed,
    rare: listRare(rare),
    pending: (capacity) => new RecentTexts(capacity, { hasTimes }),
    sketch: undefined,
  };
  return growFrom(options, rows, start, now);
}

function growFrom(
  options: GrowthOptions,
  rows: RecentTexts,
  start: AdmissionStart,
  now: Moment,
  age = 0,
): GrowingVocabulary {
  const { admission, eviction } = options;
  return new GrowingVocabulary(options, rows, admission.start(start), eviction.start(rows, age), now);
}

function hasTimesOf({ unseen }: GrowthOptions): boolean {
  return unseen !== undefined && 'ms' in unseen;
}

/**
 * Returns the changes of a vocabulary since a save, as tensors named after its field.
 * @param since last batch before the save
 */
export function growthChanges(
  name: string,
  { rows, admission: { pending, sketch }, eviction: { age }, now }: GrowingVocabulary,
  since: number,
): ReadonlyMap<string, StoredTensor> {
  const ofTexts = (of: string, texts: RecentTexts): readonly (readonly [string, StoredTensor])[] => {
    const order = texts.usedSince(since);
    const { batches, times, counts, keys } = lastUses(texts, order);
    return [
      ...textTensors(
        poolOf(order, (slot) => (texts.isNewSince(slot, since) ? texts.bytesOf(slot) : NO_BYTES)),
        of,
      ),
      ...namedTensors(of, { order, batches, times, counts, keys, removed: texts.removedSince() }),
    ];
  };
  return new Map([
    ...ofTexts(`${name}.rows`, rows),
    ...(pending === undefined ? [] : ofTexts(`${name}.pending`, pending)),
    ...(sketch === undefined ? [] : namedTensors(`${name}.sketch`, { ...sketch.changes() })),
    ...namedTensors(name, { now: Float64Array.of(now.batch, now.timeMs, ...(age === undefined ? [] : [age])) }),
  ]);
}

/** Lists the fields that changes have. */
export function listChangedFields(changes: ReadonlyMap<string, StoredTensor>): readonly string[] {
  return [...changes.keys()].filter((name) => name.endsWith(NOW)).map((name) => name.slice(0, -NOW.length));
}

/** Returns whether changes include the changes of a field. */
export function hasGrowthChanges(name: string, changes: ReadonlyMap<string, StoredTensor>): boolean {
  return changes.has(name + NOW);
}

/**
 * Returns the changes of tokens with a row, which are their ids.
 * @throws Error if they are invalid
 */
export function tokenChanges(name: string, changes: ReadonlyMap<string, StoredTensor>): TokenChanges {
  return readTexts(`${name}.rows`, changes);
}

/** Returns the sketch of a state; undefined if it has none. */
export function storedSketch({
  sketch: words,
  sketchAges: ages,
  sketchClock: clock,
}: StoredGrowth): StoredSketch | undefined {
  return words === undefined || ages === undefined || clock === undefined ? undefined : { words, ages, clock };
}

const NO_BYTES = new Uint8Array(0);
const NO_WORDS = new Uint32Array(0);
export const NO_DOUBLES = new Float64Array(0);
/** Tokens of an admission that counts none. */
export const NO_TEXTS = new RecentTexts(1, { hasTimes: false });

/** Reads the changes of slots named `of`. */
export function readTexts(of: string, changes: ReadonlyMap<string, StoredTensor>): TokenChanges {
  const [used, removed] = [readVector(changes, `${of}.order`, 'U32'), readVector(changes, `${of}.removed`, 'U32')];
  const texts = textsOfTensors(changes, of);
  if (texts?.offsets.length !== used.length + 1) throw new Error(`'${of}' has not one text per slot`);
  return { removed, used, texts };
}

/** Returns texts by slot, with their uses. */
export function storeTexts(texts: RecentTexts): StoredTexts {
  const order = texts.usedSince(-1);
  const slots = Uint32Array.from({ length: texts.highest }, (_, i) => i + 1);
  const pool = poolOf(slots, (slot) => (texts.isUsed(slot) ? texts.bytesOf(slot) : VACANT));
  return { texts: createTextTable(pool), order, ...lastUses(texts, order) };
}

function lastUses(texts: RecentTexts, order: Uint32Array): Omit<StoredTexts, 'texts' | 'order'> {
  const [batches, counts] = [new Uint32Array(order.length), new Uint32Array(order.length)];
  const times = new Float64Array(texts.hasTimes ? order.length : 0);
  const keys = new Float64Array(texts.hasKeys ? order.length : 0);
  for (const [i, slot] of order.entries()) {
    const { batch, timeMs } = texts.lastUse(slot);
    batches[i] = batch;
    counts[i] = texts.counts[slot]!;
    if (texts.hasTimes) times[i] = timeMs;
    if (texts.hasKeys) keys[i] = texts.keys[slot]!;
  }
  return { batches, times, counts, keys };
}

/** Sets the values of slots, of which arrays may be empty. */
export function setValues(
  texts: RecentTexts,
  order: Uint32Array,
  { counts, keys }: Pick<StoredTexts, 'counts' | 'keys'>,
): void {
  for (const [i, slot] of order.entries()) {
    texts.counts[slot] = counts[i] ?? 0;
    if (texts.hasKeys) texts.keys[slot] = keys[i] ?? 0;
  }
}

function poolOf(slots: Uint32Array, bytesOf: (slot: number) => Uint8Array): StringPool {
  let numBytes = 0;
  for (const slot of slots) numBytes += bytesOf(slot).length;
  const pool = createStringPool(slots.length, numBytes);
  for (const [i, slot] of slots.entries()) {
    const bytes = bytesOf(slot);
    pool.bytes.set(bytes, pool.offsets[i]);
    pool.offsets[i + 1] = pool.offsets[i]! + bytes.length;
  }
  return pool;
}

/** Returns the tokens with a row, and those without. */
export function listTexts(stored: StoredGrowth): readonly [StoredTexts, StoredTexts] {
  const { vocabulary, rowOrder, rowBatches, rowTimes, rowCounts = NO_WORDS, rowKeys = NO_DOUBLES } = stored;
  const { pending, pendingOrder, pendingBatches, pendingTimes, pendingCounts } = stored;
  return [
    {
      texts: vocabulary,
      order: rowOrder,
      batches: rowBatches,
      times: rowTimes,
      counts: rowCounts,
      keys: rowKeys,
    },
    {
      texts: pending,
      order: pendingOrder,
      batches: pendingBatches,
      times: pendingTimes,
      counts: pendingCounts,
      keys: NO_DOUBLES,
    },
  ];
}

/**
 * Restores stored texts.
 * @throws Error if they have not one use each
 */
export function restoreTexts(
  { texts: { bytes, offsets }, order, batches, times, counts, keys }: StoredTexts,
  capacity: number,
  values: SlotValues,
): RecentTexts {
  const texts = new RecentTexts(capacity, values);
  const slots = offsets.length - 1;
  const free = Uint32Array.from({ length: slots }, (_, i) => i + 1).filter((slot) =>
    isVacant({ bytes, offsets }, slot),
  );
  if (order.length + free.length !== slots || batches.length !== order.length)
    throw new Error(`${order.length} uses of ${slots - free.length} tokens`);
  texts.replace(
    free,
    order,
    (i) => bytes.subarray(offsets[order[i]! - 1], offsets[order[i]!]),
    (i) => ({ batch: batches[i]!, timeMs: times[i] ?? NaN }),
  );
  setValues(texts, order, { counts, keys });
  return texts;
}

function textAt({ bytes, offsets }: StringPool, place: number): Uint8Array {
  return bytes.subarray(offsets[place], offsets[place + 1]);
}

/** Lists rare strings, the most frequent first, with their counts. */
function* listRare(rare: CountedTexts['rare']): Generator<RareText> {
  let place = 0;
  for (const [count, numTexts] of rare?.counts ?? [])
    for (const end = place + numTexts; place < end; place++) yield { text: textAt(rare!.texts, place), count };
}
