import { z } from 'zod';
import type { StoredTensor } from '../../io/safetensors.js';
import { GrowingVocabulary, type GrowthOptions } from './growing-vocabulary.js';
import type { CountedTexts } from './rare-texts.js';
import { RecentTexts } from './recent-texts.js';
import { createStringPool, textsOfTensors, textTensors, type StringPool } from './string-pool.js';
import { textsSchema, toTextTable } from './stored-texts.js';
import { createTextTable, isVacant, VACANT, type TextTable } from './text-table.js';
import type { TokenChanges } from './token-table.js';

// The state of a growing vocabulary is part of what a field fitted: all of it in a full checkpoint, and the slots that
// changed in a delta. Slots are in order of their last use, so the changed ones are the newest.

/** Texts by slot, vacant if free, with their uses in order: the oldest first. */
interface StoredTexts {
  readonly texts: TextTable;
  readonly order: Uint32Array;
  /** Batch and time of the last use of each slot in `order`; times are empty without any. */
  readonly batches: Uint32Array;
  readonly times: Float64Array;
  readonly counts: Uint32Array;
}

/** Suffix of the tensor with the last batch of a field. */
const NOW = '.now';

const words = z.custom<Uint32Array>((value) => value instanceof Uint32Array);
const doubles = z.custom<Float64Array>((value) => value instanceof Float64Array);

const growthSchema = z.strictObject({
  vocabulary: textsSchema,
  pending: textsSchema,
  rowOrder: words,
  rowBatches: words,
  rowTimes: doubles,
  pendingOrder: words,
  pendingBatches: words,
  pendingTimes: doubles,
  pendingCounts: words,
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

/** Returns the whole state of a vocabulary. */
export function storeGrowth({ rows, pending, now }: Pick<GrowingVocabulary, 'rows' | 'pending' | 'now'>): StoredGrowth {
  const [ofRows, ofPending] = [storeTexts(rows), storeTexts(pending)];
  return {
    vocabulary: ofRows.texts,
    rowOrder: ofRows.order,
    rowBatches: ofRows.batches,
    rowTimes: ofRows.times,
    pending: ofPending.texts,
    pendingOrder: ofPending.order,
    pendingBatches: ofPending.batches,
    pendingTimes: ofPending.times,
    pendingCounts: ofPending.counts,
    lastBatch: now.batch,
    lastTimeMs: Number.isNaN(now.timeMs) ? null : now.timeMs,
  };
}

/** Restores a vocabulary from its whole state, whose tokens fit the options. */
export function restoreGrowth(options: GrowthOptions, stored: StoredGrowth): GrowingVocabulary {
  const hasTimes = options.unseen !== undefined && 'ms' in options.unseen;
  const [ofRows, ofPending] = listTexts(stored);
  const numPending = ofPending.texts.offsets.length - 1;
  const rows = restoreTexts(ofRows, options.capacity, hasTimes);
  const pending = restoreTexts(ofPending, Math.max(options.maxPending, numPending), hasTimes);
  // Times that were not stored count from the next batch.
  const timeMs = hasTimes && stored.rowTimes.length === stored.rowOrder.length ? (stored.lastTimeMs ?? NaN) : NaN;
  return new GrowingVocabulary(options, rows, pending, { batch: stored.lastBatch, timeMs });
}

/** Creates a vocabulary with the tokens of a fit, the most frequent first, and with the counts of rare ones. */
export function startGrowth(options: GrowthOptions, { vocabulary, rare }: CountedTexts): GrowingVocabulary {
  const hasTimes = options.unseen !== undefined && 'ms' in options.unseen;
  const start = { batch: 0, timeMs: NaN };
  const rows = new RecentTexts(options.capacity, hasTimes);
  const ids = Uint32Array.from({ length: vocabulary.offsets.length - 1 }, (_, i) => i + 1);
  const vacant = ids.filter((id) => isVacant(vocabulary, id));
  // The rarest are the first to be evicted.
  const used = ids.filter((id) => !isVacant(vocabulary, id)).reverse();
  rows.replace(
    vacant,
    used,
    (i) => textAt(vocabulary, used[i]! - 1),
    () => start,
  );
  const pending = new RecentTexts(options.maxPending, hasTimes);
  for (const { place, count } of [...listRare(rare, options.maxPending)].reverse()) {
    const text = textAt(rare!.texts, place);
    pending.counts[pending.insert(text, 0, text.length, start)] = count;
  }
  return new GrowingVocabulary(options, rows, pending, start);
}

/**
 * Returns the changes of a vocabulary since a save, as tensors named after its field.
 * @param since last batch before the save
 */
export function growthChanges(
  name: string,
  { rows, pending, now }: GrowingVocabulary,
  since: number,
): ReadonlyMap<string, StoredTensor> {
  const tensor = (data: Uint32Array | Float64Array): StoredTensor => ({ shape: [data.length], data });
  const ofTexts = (of: string, texts: RecentTexts): readonly (readonly [string, StoredTensor])[] => {
    const order = texts.usedSince(since);
    const { batches, times, counts } = lastUses(texts, order);
    return [
      ...textTensors(
        poolOf(order, (slot) => (texts.isNewSince(slot, since) ? texts.bytesOf(slot) : NO_BYTES)),
        of,
      ),
      [`${of}.order`, tensor(order)],
      [`${of}.batches`, tensor(batches)],
      [`${of}.times`, tensor(times)],
      [`${of}.counts`, tensor(counts)],
      [`${of}.removed`, tensor(texts.removedSince())],
    ];
  };
  return new Map([
    ...ofTexts(`${name}.rows`, rows),
    ...ofTexts(`${name}.pending`, pending),
    [name + NOW, tensor(Float64Array.of(now.batch, now.timeMs))],
  ]);
}

/** Lists the fields that changes have. */
export function listChangedFields(changes: ReadonlyMap<string, StoredTensor>): readonly string[] {
  return [...changes.keys()].filter((name) => name.endsWith(NOW)).map((name) => name.slice(0, -NOW.length));
}

/** Returns whether changes have those of a field. */
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

/**
 * Applies changes to the state before them.
 * @throws Error if they are not changes of this state
 */
export function applyGrowthChanges(
  name: string,
  before: StoredGrowth,
  changes: ReadonlyMap<string, StoredTensor>,
): StoredGrowth {
  const [rows, pending] = [`${name}.rows`, `${name}.pending`].map((of, i) => {
    const stored = listTexts(before)[i]!;
    const { removed, used: order, texts: pool } = readTexts(of, changes);
    const [batches, counts] = [wordsOf(changes, `${of}.batches`), wordsOf(changes, `${of}.counts`)];
    const times = doublesOf(changes, `${of}.times`);
    const hasTimes = stored.times.length + times.length > 0;
    if (batches.length !== order.length || counts.length !== order.length)
      throw new Error(`'${of}' has not one batch and count per slot`);
    const highest = [order, removed].reduce((most, slots) => slots.reduce((max, slot) => Math.max(max, slot), most), 0);
    const texts = restoreTexts(stored, Math.max(stored.texts.offsets.length - 1, highest, 1), hasTimes);
    const textOf = (at: number): Uint8Array | undefined => {
      const [begin, end] = [pool.offsets[at]!, pool.offsets[at + 1]!];
      return begin === end ? undefined : pool.bytes.subarray(begin, end);
    };
    texts.replace(removed, order, textOf, (at) => ({ batch: batches[at]!, timeMs: times[at] ?? NaN }));
    for (const [at, slot] of order.entries()) texts.counts[slot] = counts[at]!;
    return texts;
  }) as [RecentTexts, RecentTexts];
  const [batch, timeMs] = doublesOf(changes, name + NOW);
  return storeGrowth({ rows, pending, now: { batch: batch!, timeMs: timeMs! } });
}

const NO_BYTES = new Uint8Array(0);

/** Reads the changes of slots named `of`. */
function readTexts(of: string, changes: ReadonlyMap<string, StoredTensor>): TokenChanges {
  const [used, removed] = [wordsOf(changes, `${of}.order`), wordsOf(changes, `${of}.removed`)];
  const texts = textsOfTensors(changes, of);
  if (texts?.offsets.length !== used.length + 1) throw new Error(`'${of}' has not one text per slot`);
  return { removed, used, texts };
}

function storeTexts(texts: RecentTexts): StoredTexts {
  const order = texts.usedSince(-1);
  const slots = Uint32Array.from({ length: texts.highest }, (_, i) => i + 1);
  const pool = poolOf(slots, (slot) => (texts.isUsed(slot) ? texts.bytesOf(slot) : VACANT));
  return { texts: createTextTable(pool), order, ...lastUses(texts, order) };
}

function lastUses(texts: RecentTexts, order: Uint32Array): Pick<StoredTexts, 'batches' | 'times' | 'counts'> {
  const [batches, counts] = [new Uint32Array(order.length), new Uint32Array(order.length)];
  const times = new Float64Array(texts.hasTimes ? order.length : 0);
  for (const [i, slot] of order.entries()) {
    const { batch, timeMs } = texts.lastUse(slot);
    batches[i] = batch;
    counts[i] = texts.counts[slot]!;
    if (texts.hasTimes) times[i] = timeMs;
  }
  return { batches, times, counts };
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
function listTexts(stored: StoredGrowth): readonly [StoredTexts, StoredTexts] {
  const { vocabulary, rowOrder, rowBatches, rowTimes } = stored;
  const { pending, pendingOrder, pendingBatches, pendingTimes, pendingCounts } = stored;
  return [
    { texts: vocabulary, order: rowOrder, batches: rowBatches, times: rowTimes, counts: new Uint32Array(0) },
    { texts: pending, order: pendingOrder, batches: pendingBatches, times: pendingTimes, counts: pendingCounts },
  ];
}

function restoreTexts(
  { texts: { bytes, offsets }, order, batches, times, counts }: StoredTexts,
  capacity: number,
  hasTimes: boolean,
): RecentTexts {
  const texts = new RecentTexts(capacity, hasTimes);
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
  for (const [i, slot] of order.entries()) texts.counts[slot] = counts[i] ?? 0;
  return texts;
}

function textAt({ bytes, offsets }: StringPool, place: number): Uint8Array {
  return bytes.subarray(offsets[place], offsets[place + 1]);
}

/** Lists the first rare strings, the most frequent first, with their counts. */
function* listRare(
  rare: CountedTexts['rare'],
  maxTexts: number,
): Generator<{ readonly place: number; readonly count: number }> {
  let place = 0;
  for (const [count, numTexts] of rare?.counts ?? [])
    for (const end = place + numTexts; place < end && place < maxTexts; place++) yield { place, count };
}

function wordsOf(tensors: ReadonlyMap<string, StoredTensor>, name: string): Uint32Array {
  const data = tensors.get(name)?.data;
  if (!(data instanceof Uint32Array)) throw new Error(`'${name}' is not a tensor of words`);
  return data;
}

function doublesOf(tensors: ReadonlyMap<string, StoredTensor>, name: string): Float64Array {
  const data = tensors.get(name)?.data;
  if (!(data instanceof Float64Array)) throw new Error(`'${name}' is not a tensor of doubles`);
  return data;
}
