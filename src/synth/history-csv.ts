import { ByteFile } from './byte-file.js';
import type { Catalog, HistoryRow, OnEvent } from './histories.js';
import type { Impressions } from './impressions.js';

/** Columns of a log, and the columns of the histories, newest item last. */
const HEADER = ['click', 'purchase', 'user', 'item', 'category', 'price', 'time'] as const;
const HISTORY_HEADER = ['hist_item', 'hist_category', 'hist_price', 'hist_time'] as const;
const EVENT_HEADER = ['user', 'item', 'category', 'price', 'time'] as const;

/** Maximum bytes of the single values of a line, and of an item in its four lists. */
const [VALUE_BYTES, ITEM_BYTES] = [256, 4 * 16];
const [COMMA, LINE_END, BAR] = [44, 10, 124] as const;

/** Writer of a log with histories. */
export interface HistoryFile {
  write(block: Impressions, row: number, of: HistoryRow): void;
  close(): void;
}

/**
 * Creates a CSV. Items and categories start at 1; prices have two decimals; times are seconds since 1970.
 * @param hasLists whether each row has the history of its user
 */
export function createHistoryFile(path: string, { category, price }: Catalog, hasLists: boolean): HistoryFile {
  const file = new ByteFile(path);
  file.text(`${[...HEADER, ...(hasLists ? HISTORY_HEADER : [])].join(',')}\n`);
  const cell = (value: number): void => {
    file.byte(COMMA);
    file.whole(value);
  };
  const list = (length: number, write: (i: number) => void): void => {
    file.byte(COMMA);
    for (let i = 0; i < length; i++) {
      if (i > 0) file.byte(BAR);
      write(i);
    }
  };
  const writePrice = (hundredths: number): void => file.tenThousandths(100 * hundredths);
  return {
    write({ click, purchase, user, item }, row, { time, history: { items, times } }) {
      const candidate = item[row]!;
      file.reserve(VALUE_BYTES + ITEM_BYTES * items.length);
      file.whole(click[row]!);
      for (const value of [purchase[row]!, user[row]! + 1, candidate + 1, category[candidate]! + 1]) cell(value);
      file.byte(COMMA);
      writePrice(price[candidate]!);
      cell(time);
      if (hasLists) {
        list(items.length, (i) => file.whole(items[i]! + 1));
        list(items.length, (i) => file.whole(category[items[i]!]! + 1));
        list(items.length, (i) => writePrice(price[items[i]!]!));
        list(items.length, (i) => file.whole(times[i]!));
      }
      file.byte(LINE_END);
    },
    close: () => file.close(),
  };
}

/** Creates a CSV of events, with the values of a log. */
export function createEventFile(path: string): { readonly write: OnEvent; close(): void } {
  const file = new ByteFile(path);
  file.text(`${EVENT_HEADER.join(',')}\n`);
  return {
    write(user, item, time, { category, price }) {
      file.reserve(VALUE_BYTES);
      file.whole(user + 1);
      for (const value of [item + 1, category[item]! + 1]) {
        file.byte(COMMA);
        file.whole(value);
      }
      file.byte(COMMA);
      file.tenThousandths(100 * price[item]!);
      file.byte(COMMA);
      file.whole(time);
      file.byte(LINE_END);
    },
    close: () => file.close(),
  };
}
