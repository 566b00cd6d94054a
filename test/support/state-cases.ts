import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { randomStream } from '../../src/core/random.js';

// Logs, and what each row of them sees of earlier rows, by its definition: a search among all rows for each row.

/** A row of a log, with times in seconds since 1970. A missing user is empty. */
export interface LogRow {
  readonly id: string;
  readonly at: number;
  readonly user: string;
  readonly item: string;
  readonly click: number;
}

/** A row with its click, as a log of clicks has it. */
interface Click {
  readonly id: string;
  readonly at: number;
}

const BEGIN = 1_700_000_000;
/** Maximum time from a row to its click. */
const CLICK_SECONDS = 60;
/** Number of items that a row sees. */
const LAST = 4;
/** Maximum time by which rows may be late: joined rows are, since they wait for their clicks. */
const TOLERANCE = 60;
const SLOT = 5;

/** Rows in order of time, two of each time, and their clicks in order of time, which all have different times. */
export function drawLog(numRows: number): { readonly rows: readonly LogRow[]; readonly clicks: readonly Click[] } {
  const random = randomStream(17, 'states');
  const clicks: Click[] = [];
  const rows = Array.from({ length: numRows }, (_, r): LogRow => {
    const at = BEGIN + 3 * Math.floor(r / 2);
    const [user, item, id] = [random.below(25), random.below(12), `r${r}`];
    const clickAt = at + 1 + random.below(CLICK_SECONDS + 20) + r / numRows / 2;
    const isClicked = random.uniform() < ((user + item) % 3 === 0 ? 0.7 : 0.25);
    if (isClicked) clicks.push({ id, at: clickAt });
    const click = Number(isClicked && clickAt <= at + CLICK_SECONDS);
    return { id, at, user: user === 0 ? '' : `u${user}`, item: `i${item}`, click };
  });
  return { rows, clicks: clicks.sort((a, b) => a.at - b.at) };
}

/** A kind of state of a log. */
interface StateKind {
  /** Sections of `data` with which mtl computes the columns. */
  readonly data: object;
  /** The same for a log that is joined with its clicks. */
  readonly joinedData: object;
  /** Features that read the columns, whether mtl computes them or the log has them. */
  readonly features: object;
  /** Whether later data goes on from the state: rows to predict change it, and a warm start continues it. */
  readonly isContinued: boolean;
  /**
   * Computes the columns of a row from all others.
   * @param clickAt returns the time of a row's click as an event
   */
  columnsOf(row: LogRow, all: readonly LogRow[], clickAt: (row: LogRow) => number): Readonly<Record<string, unknown>>;
}

/** Windows of the counters, in seconds. */
const WITHIN = { shows: 600, clicks: 300, rate: 900 };
const PRIOR = 3;

/** Sections of `data` with counters. */
function countersData(count: object): Pick<StateKind, 'data' | 'joinedData' | 'isContinued'> {
  const options = { time: 'at', format: 'seconds', delay: `${CLICK_SECONDS}s`, tolerance: `${TOLERANCE}s` };
  const data = { counters: { ...options, count } };
  return { data, joinedData: data, isContinued: true };
}

const COUNTERS: StateKind = {
  ...countersData({
    shows: { by: 'item', within: `${WITHIN.shows}s`, resolution: `${SLOT}s` },
    clicks: { by: 'item', of: 'click', within: `${WITHIN.clicks}s`, resolution: `${SLOT}s` },
    rate: {
      by: ['user', 'item'],
      of: 'click',
      within: `${WITHIN.rate}s`,
      resolution: `${SLOT}s`,
      rate: { prior: PRIOR },
    },
  }),
  features: { recent: { type: 'numeric', fields: ['shows', 'clicks', 'rate'], scaling: ['log1p', 'standard'] } },
  columnsOf({ at, user, item }, all) {
    const now = at - TOLERANCE;
    const within = (seconds: number, delay: number): readonly LogRow[] =>
      all.filter((row) => row.at + delay < now && Math.floor(row.at / SLOT) >= Math.floor((now - seconds) / SLOT));
    const sum = (rows: readonly LogRow[]): number => rows.reduce((total, { click }) => total + click, 0);
    const rated = within(WITHIN.rate, CLICK_SECONDS).filter((row) => row.user !== '');
    const own = rated.filter((row) => user !== '' && row.user === user && row.item === item);
    const mean = rated.length === 0 ? 0 : sum(rated) / rated.length;
    return {
      shows: within(WITHIN.shows, 0).filter((row) => row.item === item).length,
      clicks: sum(within(WITHIN.clicks, CLICK_SECONDS).filter((row) => row.item === item)),
      rate: Math.fround((sum(own) + PRIOR * mean) / (own.length + PRIOR)),
    };
  },
};

const HISTORIES: StateKind = {
  isContinued: false,
  data: { sequences: { clicks: { of: 'click', key: 'user', time: 'at', until: 'at' } } },
  joinedData: { sequences: { clicks: { of: 'click', key: 'user', until: 'at' } } },
  features: {
    history: {
      type: 'sequence',
      fields: [{ name: 'clicks.item', target: 'item' }],
      keep: { last: LAST },
      encoder: ['target-attention', 'pooling'],
    },
  },
  columnsOf({ at, user }, all, clickAt) {
    const events = all
      .filter((row) => row.click === 1 && user !== '' && row.user === user && clickAt(row) < at)
      .sort((a, b) => clickAt(a) - clickAt(b));
    return { 'clicks.item': events.slice(-LAST).map(({ item }) => item) };
  },
};

/** States that a run has together. */
export interface StateCase {
  readonly name: string;
  readonly kinds: readonly StateKind[];
  /** Encoding of users and items; default: the tokens of the first rows. */
  readonly encoding?: object;
}

export const STATE_CASES: readonly StateCase[] = [
  { name: 'counters', kinds: [COUNTERS] },
  { name: 'histories', kinds: [HISTORIES] },
  { name: 'counters and histories', kinds: [COUNTERS, HISTORIES] },
  {
    name: 'counters and histories with vocabularies that grow',
    kinds: [COUNTERS, HISTORIES],
    encoding: { name: 'tokens', capacity: 20, admit: { count: 3 } },
  },
];

/** Merges the sections of `data` of all kinds of a case. */
export function dataOf({ kinds }: StateCase, member: 'data' | 'joinedData' = 'data'): object {
  return Object.assign({}, ...kinds.map((kind) => kind[member])) as object;
}

/** Merges the features of all kinds of a case. */
export function featuresOf({ kinds, encoding = { name: 'tokens' } }: StateCase): object {
  const ids = { type: 'categorical', fields: ['user', 'item'], width: 4, encoding, fillMissing: 'token' };
  return Object.assign({ ids }, ...kinds.map(({ features }) => features)) as object;
}

/** Rows whose columns are computed. */
export interface Columned {
  readonly rows: readonly LogRow[];
  /** Rows that they may see; default: themselves. */
  readonly among?: readonly LogRow[];
  /** Rows that states which later data continues may see; default: `among`. */
  readonly continued?: readonly LogRow[];
  /** Returns the time of a row's click as an event; default: that of the row. */
  readonly clickAt?: (row: LogRow) => number;
}

/** Adds the columns of a case to rows. */
export function withColumns(
  { kinds }: StateCase,
  { rows, among = rows, continued = among, clickAt = ({ at }) => at }: Columned,
): readonly LogRow[] {
  return rows.map((row) => {
    const columns = kinds.map((kind) => kind.columnsOf(row, kind.isContinued ? continued : among, clickAt));
    return Object.assign({}, row, ...columns) as LogRow;
  });
}

/** Lists joined rows in the order in which their labels are certain, before the end of the logs. */
export function joinedOrder(
  rows: readonly LogRow[],
  clicks: readonly Click[],
): { readonly rows: readonly LogRow[]; readonly clickAt: (row: LogRow) => number } {
  const times = new Map(clicks.map(({ id, at }) => [id, at]));
  const clickAt = ({ id }: LogRow): number => times.get(id) ?? Infinity;
  const certain = (row: LogRow): number => (row.click === 1 ? clickAt(row) : row.at + CLICK_SECONDS);
  const end = Math.max(rows.at(-1)!.at, clicks.at(-1)!.at);
  return { rows: rows.filter((row) => certain(row) < end).sort((a, b) => certain(a) - certain(b)), clickAt };
}

/** Options of a config of `writeExperiment`. */
export interface ExperimentOptions {
  /** Sections of `data`. */
  readonly data: object;
  readonly features: object;
  /** Sections of the config that replace others. */
  readonly rest?: object;
}

/** Writes a config; returns its path. */
export function writeExperiment(folder: string, { data, features, rest }: ExperimentOptions): string {
  const path = join(folder, 'config.yaml');
  const experiment = {
    seed: 3,
    data: { follow: { fitRows: 320, windowRows: 400 }, ...data },
    features,
    tasks: { ctr: { label: 'click' } },
    model: { name: 'single-task', tower: { hidden: [8], dropout: 0.2 } },
    training: { batchSize: 32, epochs: 1, shuffle: false },
    checkpoints: { everySteps: 12, delta: { everySteps: 3 } },
    ...rest,
  };
  writeFileSync(path, stringify(experiment));
  return path;
}

/** Joins a log with its clicks. */
export const JOIN = {
  key: 'id',
  time: 'at',
  timeFormat: 'seconds',
  events: { click: { file: 'clicks', within: `${CLICK_SECONDS}s` } },
};

/** Writes rows as a log, a directory with a file of JSON Lines; returns the directory. A missing value is left out. */
export function writeLog(folder: string, name: string, rows: readonly object[]): string {
  const directory = join(folder, name);
  mkdirSync(directory, { recursive: true });
  const lines = rows.map(
    (row) => `${JSON.stringify(row, (_, value: unknown) => (value === '' ? undefined : value))}\n`,
  );
  writeFileSync(join(directory, 'part-0.jsonl'), lines.join(''));
  return directory;
}
