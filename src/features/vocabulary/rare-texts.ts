import { findKey } from '../../core/key-table.js';
import { TextCounter, type RareTexts } from './text-counter.js';
import { createTextTable, type TextTable } from './text-table.js';
import { createStringPool, textReader, type StringPool } from './string-pool.js';

/** A vocabulary with the counts of rare strings. */
export interface CountedTexts {
  readonly vocabulary: TextTable;
  readonly rare: RareTexts | undefined;
}

/**
 * Adds the counts of rare strings of previous runs to the counts of this run.
 * @param minCount minimum count of a vocabulary string
 * @param field name for errors
 * @returns the new vocabulary, followed by the strings that reach `minCount` only with previous runs; and the strings
 * that are still rarer
 * @throws UserError (data) if memory does not suffice
 */
export function addCounts(before: CountedTexts, now: CountedTexts, minCount: number, field: string): CountedTexts {
  const counter = new TextCounter(field);
  for (const [from, known] of [
    [before.rare, now.vocabulary],
    [now.rare, before.vocabulary],
  ] as const) {
    for (const { text, count, begin, end } of listCounts(from)) {
      if (findKey(known, from!.texts.bytes, begin, end) === 0) counter.count(text, count);
    }
  }
  const rare = counter.rare(minCount);
  return { vocabulary: createTextTable(joined(now.vocabulary, counter.frequent(minCount))), rare };
}

function* listCounts(
  rare: RareTexts | undefined,
): Generator<{ readonly text: string; readonly count: number; readonly begin: number; readonly end: number }> {
  if (rare === undefined) return;
  const { texts, counts } = rare;
  const textAt = textReader(texts);
  let place = 0;
  for (const [count, numTexts] of counts) {
    for (const last = place + numTexts; place < last; place++)
      yield { text: textAt(place), count, begin: texts.offsets[place]!, end: texts.offsets[place + 1]! };
  }
}

function joined(a: StringPool, b: StringPool): StringPool {
  if (b.offsets.length === 1) return a;
  const [numTexts, numBytes] = [a.offsets.length - 1, a.bytes.length];
  const texts = createStringPool(numTexts + b.offsets.length - 1, numBytes + b.bytes.length);
  texts.bytes.set(a.bytes);
  texts.bytes.set(b.bytes, numBytes);
  texts.offsets.set(a.offsets);
  for (let place = 1; place < b.offsets.length; place++) texts.offsets[numTexts + place] = numBytes + b.offsets[place]!;
  return texts;
}
