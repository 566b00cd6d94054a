import { ChunkRows } from '../../chunks/chunk.js';
import { createCleaner } from '../../features/cells.js';
import { readTexts } from '../../features/computed.js';
import { eventTest } from '../../features/event-test.js';
import { eventValueReader } from '../../features/log-uses.js';
import { momentReader } from '../../features/moment.js';
import { parseText } from '../../features/parse.js';
import type { HistoryPlan } from './history-plan.js';

/** The users of rows, empty if missing, and their times. Valid until the next call. */
export interface HistoryRows {
  readonly users: readonly string[];
  readonly untils: Float64Array;
}

/** The rows of a chunk that are events. Valid until the next call. */
export interface HistoryEvents {
  /** Rows that are valid events, by row. */
  readonly isEvent: Uint8Array;
  readonly users: readonly string[];
  readonly times: Float64Array;
  /** Values by column, then by row: texts, empty if missing, or numbers. */
  readonly values: readonly (readonly string[] | Float64Array)[];
}

/** Reads what histories read of rows. */
export class HistoryReader {
  readonly #plan: HistoryPlan;
  readonly #readUntils: (rows: ChunkRows) => Float64Array;
  readonly #readTimes: (rows: ChunkRows) => Float64Array;
  readonly #readValues: readonly ((rows: ChunkRows) => readonly string[] | Float64Array)[];

  constructor(plan: HistoryPlan) {
    const { until, time, uses, cells } = plan;
    this.#plan = plan;
    this.#readUntils = momentReader(until, cells);
    this.#readTimes = momentReader(time, cells);
    this.#readValues = Array.from(uses, ([column, use]) => eventValueReader(column, use, use.cells));
  }

  /** Reads the users and times of rows. Rows without a valid time are refused. */
  readRows(rows: ChunkRows): HistoryRows {
    const users = readTexts(rows, this.#plan.key, this.#plan.cells);
    return { users, untils: this.#readUntils(rows) };
  }

  /** Reads the rows that are events and have a user. Events with an invalid value are refused. */
  readEvents(rows: ChunkRows): HistoryEvents {
    const { key, of, cells } = this.#plan;
    const events = new ChunkRows(rows.chunk);
    const happened = eventTest(rows.column(of), createCleaner(cells));
    for (let row = 0; row < rows.count; row++) if (!rows.isKept(row) || !happened(row)) events.exclude(row, '');
    const users = readTexts(events, key, cells);
    events.eachKept([key], (row) => void parseText(users[row]!));
    for (let row = 0; row < rows.count; row++) if (events.isKept(row) && users[row] === '') events.exclude(row, '');
    // Most chunks of few rows have no event.
    const isAny = events.numKept > 0;
    const times = isAny ? this.#readTimes(events) : NO_TIMES;
    const values = isAny ? this.#readValues.map((read) => read(events)) : [];
    for (const [row, { columns, error }] of events.problems()) rows.refuse(row, columns, error);
    const isEvent = Uint8Array.from({ length: rows.count }, (_, row) => Number(events.isKept(row)));
    return { isEvent, users, times, values };
  }
}

const NO_TIMES = new Float64Array(0);
