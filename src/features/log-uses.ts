import type { ChunkRows } from '../chunks/chunk.js';
import { createCleaner, type CellOptions } from './cells.js';
import { readTexts } from './computed.js';
import type { LogColumn } from './event-log.js';
import type { Field, ListForm } from './feature.js';
import { arrayReader } from './kinds/one-value.js';
import { logColumn, splitLogged } from './logged-items.js';
import { momentReader } from './moment.js';
import { parseNumber, parseText } from './parse.js';

/** A column of events that fields read, and how they read it. */
export interface LogUse {
  readonly log: string;
  readonly column: LogColumn;
  readonly form: ListForm;
  readonly cells: CellOptions;
  /** Maximum number of events that a row sees; undefined if the config has another limit, which is refused. */
  readonly last: number | undefined;
  /** @throws InvalidValueError for an item that a field cannot read */
  readonly check: (text: string) => void;
}

/** Lists the columns of event logs that fields read, once per field. */
export function listLogUses(fields: readonly Field[], logs: readonly string[]): readonly LogUse[] {
  return fields.flatMap(({ computed, cells = {}, startFit, encoder }): readonly LogUse[] => {
    if (computed?.items === undefined) return [];
    const { column: list, lists } = computed.items;
    const [log] = splitLogged(list.name, logs) ?? [];
    if (log === undefined) return [];
    const column = logColumn(list, log, cells);
    const check = column.values === 'text' ? (startFit?.().check ?? encoder(undefined).encode) : () => undefined;
    const checkItem = (text: string): void => {
      if (text !== '') check(text);
    };
    return [{ log, column, form: list.form, cells, last: lists.last, check: checkItem }];
  });
}

/** Returns a column that several fields read: an item must suit both. */
export function joinUses(known: LogUse | undefined, use: LogUse): LogUse {
  if (known === undefined) return use;
  const check = (text: string): void => {
    known.check(text);
    use.check(text);
  };
  return { ...use, check };
}

/**
 * Creates a function that reads the values of events, valid until the next call: texts, of which a missing one is
 * empty, or numbers.
 * @param name of the column
 */
export function eventValueReader(
  name: string,
  { column: { values }, check }: Pick<LogUse, 'column' | 'check'>,
  cells: CellOptions,
): (events: ChunkRows) => readonly string[] | Float64Array {
  if (values === 'time') return momentReader(name, cells);
  if (values === 'number') {
    const clean = createCleaner(cells) ?? ((text: string) => text);
    const encode = (text: string): number => parseNumber(clean(text));
    return arrayReader([name], { encode, numberColumns: [name] }, Float64Array);
  }
  return (events) => {
    const texts = readTexts(events, name, cells);
    events.eachKept([name], (event) => check(parseText(texts[event]!)));
    return texts;
  };
}
