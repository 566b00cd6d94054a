import { column } from '../../core/batch.js';
import { eachText } from '../../chunks/encode-texts.js';
import { createCleaner, type CellOptions } from '../../features/cells.js';
import { murmur3 } from '../../core/murmur.js';
import { parseText } from '../../features/parse.js';
import { createUtf8Writer } from '../../features/vocabulary/utf8.js';
import {
  BLANK_WORD,
  joinKeyTexts,
  KEY_WORDS,
  keyColumn,
  keyDigits,
  MAX_KEY_TEXTS,
  TEXT_BIT,
  type KeyTexts,
} from '../../core/row-key.js';
import type { ReadColumns } from '../../features/kinds/kind.js';

/** Writes the key of a text to two words; returns whether it is a hash, whose text is stored. */
export type KeyWriter = (text: string, into: Uint32Array, at: number) => boolean;

/** Seeds of the two halves of a hash. */
const [LOW_SEED, HIGH_SEED] = [0x6b657931, 0x6b657932];
const MAX_DIGITS = 16;

/** Creates a writer of keys, which depend on the text alone. */
export function createKeyWriter(): KeyWriter {
  const utf8 = createUtf8Writer();
  return (text, into, at) => {
    const number = parseInteger(text);
    if (number >= 0) {
      into[at] = number % 2 ** 32;
      into[at + 1] = number / 2 ** 32;
      return false;
    }
    if (text === '') {
      into[at] = 0;
      into[at + 1] = BLANK_WORD;
      return false;
    }
    const length = utf8.write(parseText(text));
    into[at] = murmur3(utf8.bytes, 0, length, LOW_SEED);
    into[at + 1] = murmur3(utf8.bytes, 0, length, HIGH_SEED) | TEXT_BIT;
    return true;
  };
}

/** Parses an integer up to 2^53 - 1 in canonical digits; returns -1 for other texts. */
function parseInteger(text: string): number {
  const { length } = text;
  if (length === 0 || length > MAX_DIGITS || (length > 1 && text.charCodeAt(0) === 48)) return -1;
  let number = 0;
  for (let i = 0; i < length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    number = 10 * number + digit;
  }
  return number <= Number.MAX_SAFE_INTEGER ? number : -1;
}

/** Reads key columns, and collects the texts of hashed keys. */
export interface KeyReaders {
  readonly readers: readonly ReadColumns[];
  /** Returns the texts since the last call, by column. */
  takeTexts(): ReadonlyMap<string, KeyTexts>;
}

/** Creates readers of key columns; null values are missing. */
export function createKeyReaders(columns: readonly string[], cells: CellOptions = {}): KeyReaders {
  const clean = createCleaner(cells);
  const write = createKeyWriter();
  const texts = new Map<string, KeyTexts>(columns.map((column) => [column, new Map()]));
  const readers = columns.map((name): ReadColumns => {
    const seen = new Set<string>();
    return (rows, block) => {
      const into = column(block, keyColumn(name), 'u32').data;
      eachText(rows, { columns: [name], takesLists: true }, (raw, row) => {
        const text = clean === undefined ? raw : clean(raw);
        const at = KEY_WORDS * (block.rows + row);
        if (!write(text, into, at) || seen.size > MAX_KEY_TEXTS || seen.has(text)) return;
        seen.add(text);
        texts.set(name, joinKeyTexts(texts.get(name)!, new Map([[keyDigits(into[at]!, into[at + 1]!), text]])));
      });
    };
  });
  return {
    readers,
    takeTexts() {
      const taken = new Map(texts);
      // Null remains: there are too many texts.
      for (const [column, found] of texts) if (found !== null) texts.set(column, new Map());
      return taken;
    },
  };
}

/** Merges the texts of keys, by column. */
export function addKeyTexts(texts: Map<string, KeyTexts>, more: ReadonlyMap<string, KeyTexts>): void {
  for (const [column, found] of more)
    texts.set(column, texts.has(column) ? joinKeyTexts(texts.get(column)!, found) : found);
}
