import { ChunkRows, type Chunk } from '../../chunks/chunk.js';
import type { Column, Lists } from '../../chunks/column.js';
import { EventStore } from '../../features/event-store.js';
import { joinHistories, splitHistories, type HistoryTensors } from '../../features/stored-histories.js';
import { bytes as sizeText } from '../../text/number-text.js';
import { readLists } from '../histories/history-lists.js';
import { checkNames, type ColumnNames } from '../sources/computed-columns.js';
import { itemColumn, itemColumns, type HistoryPlan } from '../histories/history-plan.js';
import { HistoryReader, type HistoryEvents, type HistoryRows } from '../histories/history-reader.js';
import type { JoinOptions } from '../join-options.js';
import type { FileColumns } from '../readers/cell-file.js';
import type { LateColumns } from '../rows/row-collector.js';
import type { RowState } from './row-state.js';
import { RECORD_COLUMN, type JoinObserver, type ReadCell } from './join-observer.js';
import { recordsBefore } from './join-cursor.js';
import type { StreamCursor } from './record-stream.js';

/** Histories that use more memory are reported. */
const MANY_BYTES = 2 ** 30;

/** A history while a stream is read. */
interface History {
  readonly plan: HistoryPlan;
  readonly store: EventStore;
  readonly reader: HistoryReader;
  /** Reads single events of a join, which are not rows of a chunk. */
  readonly ofEvents: HistoryReader;
  /** Columns of the chunk that was added last, whose lists are computed when its valid rows are known. */
  lists: readonly { readonly type: string; readonly text: () => string; lists: Lists }[];
}

const NO_LISTS: Lists = { offsets: new Uint32Array(1), items: { type: 'list', text: () => '' } };

/**
 * Histories of the users of a stream. A row sees the events of its user that were read before it and are earlier than
 * the row; then it may be an event itself. Rows are numbered in the order of the stream; rows of a join by the number
 * of the records of all logs before it.
 *
 * Checkpoints have the events that were read, also those after the position of the run. A resumed run reads these
 * records again and adds none of them twice, and its rows see what they saw before.
 */
export class FollowedHistories implements RowState<'histories'>, JoinObserver {
  readonly name = 'histories';
  readonly readers = [];
  readonly observers = [this];
  readonly #plans: readonly HistoryPlan[];
  readonly #join: JoinOptions | undefined;
  readonly #histories: readonly History[];
  readonly #names: ColumnNames;
  /** Number of the next row, unless it is joined. */
  #row: number;
  #isLarge = false;
  #file: FileColumns | undefined;

  /**
   * @param join of the rows; undefined for the rows of one stream
   * @param tensors events of a checkpoint; default: none
   */
  constructor(plans: readonly HistoryPlan[], join: JoinOptions | undefined, tensors: HistoryTensors = new Map()) {
    const stored = splitHistories(tensors);
    this.#plans = plans;
    this.#join = join;
    this.#histories = plans.map((plan): History => {
      const store = new EventStore(plan.name, plan);
      const own = stored.get(plan.name);
      if (own !== undefined) store.append(own);
      return { plan, store, reader: new HistoryReader(plan), ofEvents: new HistoryReader(plan), lists: [] };
    });
    this.#row = Math.max(0, ...this.#histories.map(({ store }) => store.position));
    this.#names = {
      names: itemColumns(plans),
      origin: 'items of data.sequences',
      renaming: () => 'rename the column, or the entry of data.sequences',
    };
  }

  preview(): FollowedHistories {
    return new FollowedHistories(this.#plans, this.#join);
  }

  checkMemory(): string | undefined {
    const total = this.#histories.reduce((sum, { store }) => sum + store.bytes, 0);
    if (this.#isLarge || total <= MANY_BYTES) return undefined;
    this.#isLarge = true;
    return `data.sequences use ${sizeText(total)} of memory; set a smaller keep.last`;
  }

  /** Adds the columns of items. Their lists are known when `late` has read the rows. */
  extend(rows: Chunk, file: FileColumns): Chunk {
    if (file !== this.#file) checkNames(file, this.#names);
    this.#file = file;
    const columns = new Map<string, Column>(rows.columns);
    for (const history of this.#histories) {
      const { plan } = history;
      history.lists = plan.columns.map(() => ({ type: 'list', text: () => '', lists: NO_LISTS }));
      for (const [c, { name }] of plan.columns.entries()) columns.set(itemColumn(plan, name), history.lists[c]!);
    }
    return { ...rows, columns };
  }

  /** Reads the extended rows, of which the valid ones may be events. */
  readonly late: readonly LateColumns[] = [
    {
      read: (rows) => this.#readLists(rows),
      isReadBy: ({ columns }) => columns.some((name) => this.#names.names.includes(name)),
    },
  ];

  #readLists(rows: ChunkRows): void {
    const read = this.#histories.map(({ reader }) => ({ ...reader.readRows(rows), events: reader.readEvents(rows) }));
    // All histories have refused what they cannot read.
    for (const [h, { store, lists }] of this.#histories.entries())
      for (const [c, found] of readLists(store, this.#findEvents(store, rows, read[h]!)).entries())
        lists[c]!.lists = found;
    this.#row += rows.count;
  }

  onRow(record: number, cell: ReadCell): void {
    for (const history of this.#histories)
      if (!Object.hasOwn(this.#join!.events, history.plan.of)) addJoined(history, record, cell);
  }

  onEvent(record: number, event: string, cell: ReadCell): void {
    for (const history of this.#histories) if (history.plan.of === event) addJoined(history, record, cell);
  }

  onRead(record: number): void {
    for (const { store } of this.#histories) store.endAt(record + 1);
  }

  move(cursor: StreamCursor): void {
    const record = this.#join === undefined ? this.#row : recordsBefore(cursor);
    for (const { store } of this.#histories) store.moveTo(record);
  }

  mark(): void {
    for (const { store } of this.#histories) store.mark();
  }

  markSaved(): void {
    for (const { store } of this.#histories) store.markSaved();
  }

  full(): HistoryTensors {
    return joinHistories(this.#histories.map(({ plan, store }) => [plan.name, store.store()]));
  }

  changes(): HistoryTensors {
    return joinHistories(this.#histories.map(({ plan, store }) => [plan.name, store.changes()]));
  }

  /** Finds the events of each row, and adds the one that it is; a join adds events when they are read. */
  *#findEvents(
    store: EventStore,
    rows: ChunkRows,
    { users, untils, events }: HistoryRows & { readonly events: HistoryEvents },
  ): Generator<Uint32Array> {
    const numbers = this.#join === undefined ? undefined : rows.column(RECORD_COLUMN).numbers!.values;
    for (let row = 0; row < rows.count; row++) {
      const number = numbers?.[row] ?? this.#row + row;
      const isKnown = rows.isKept(row) && users[row] !== '';
      yield isKnown ? store.find(users[row]!, untils[row]!, number) : NO_SLOTS;
      if (numbers !== undefined) continue;
      if (isKnown && events.isEvent[row] === 1) addEvent(store, events, row, number);
      store.endAt(number + 1);
    }
  }
}

const NO_SLOTS = new Uint32Array(0);

/** Adds an event, unless the record with its number was read before. */
function addEvent(store: EventStore, { users, times, values }: HistoryEvents, row: number, record: number): void {
  if (record < store.end) return;
  const own = values.map((column) => column[row]!);
  store.add(users[row]!, record + 1, times[row]!, own);
}

/** Adds an event of a join. An invalid one is reported with its row. */
function addJoined({ plan, store, ofEvents }: History, record: number, cell: ReadCell): void {
  if (record < store.end) return;
  const { key, of, time, uses } = plan;
  const columns = new Map(
    [key, of, time, ...uses.keys()].map((name): [string, Column] => [name, { type: 'text', text: () => cell(name) }]),
  );
  const events = ofEvents.readEvents(new ChunkRows({ rows: 1, numLines: 1, columns, cellsOf: () => [] }));
  if (events.isEvent[0] === 1) addEvent(store, events, 0, record);
}
