import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomStream } from '../../src/core/random.js';

/** Number of events that a row sees, and how late a record may be. */
export const [LAST, MAX_LATE] = [4, 50];
/** Records that vocabularies and scales are fitted on; late ones would be among them. */
const FIT_ROWS = 300;

/** A record of a stream of clicks; any value may be missing, and some lines are not JSON. */
export interface HistoryRecord {
  readonly at?: number;
  readonly user?: string;
  readonly item?: string;
  readonly price?: number | string;
  readonly click: number;
}

/** A stream with histories of clicks, and a checkpoint every few steps, most of them deltas. */
export const HISTORY_CONFIG = `seed: 3
data:
  train: log
  follow:
    { fitRows: ${FIT_ROWS}, windowRows: 900, maxRejects: 0.2, time: at, timeFormat: seconds, maxLate: ${MAX_LATE}s }
  sequences: { clicks: { of: click, key: user, time: at, until: at } }
features:
  user: { type: categorical, fields: [user], width: 4, encoding: tokens, fillMissing: unknown }
  item: { type: categorical, fields: [item], width: 4, encoding: tokens, fillMissing: unknown }
  price: { type: numeric, fields: [price], scaling: standard }
  history:
    type: sequence
    fields:
      - { name: clicks.item, target: item }
      - { name: clicks.price, scaling: log1p }
      - { name: clicks.at, as: age, until: at, buckets: log, width: 4 }
    keep: { last: ${LAST} }
    encoder: [target-attention, pooling]
tasks: { ctr: { label: click } }
model: { name: single-task }
training: { batchSize: 64 }
checkpoints: { everySteps: 20, delta: { everySteps: 3 } }
`;

/** The config without `data.sequences`, for records that have their histories as lists. */
export const LISTS_CONFIG = HISTORY_CONFIG.replace(/ {2}sequences: .*\n/, '');

/** Records out of order and with equal times, some too late, with missing users and items, and invalid ones. */
export function historyRecords(numRecords: number): readonly (HistoryRecord | undefined)[] {
  const random = randomStream(11, 'histories');
  return Array.from({ length: numRecords }, (_, r) => {
    if (random.uniform() < 0.01) return undefined;
    const [user, item] = [random.below(40), random.below(30)];
    const odd = random.uniform();
    return {
      ...(odd > 0.01 && {
        at: 1_700_000_000 + Math.floor(r / 3) - random.below(4) - (r > FIT_ROWS && odd > 0.98 ? 90 : 0),
      }),
      ...(random.uniform() > 0.02 && { user: `u${user}` }),
      ...(random.uniform() > 0.05 && { item: `i${item}` }),
      price: random.uniform() < 0.02 ? 'x' : (item % 7) + 0.5,
      click: Number(random.uniform() < ((user + item) % 3 === 0 ? 0.7 : 0.2)),
    };
  });
}

/** Formats records; a line that is none is not JSON. */
export function historyLines(records: readonly (object | undefined)[]): string {
  return records.map((each) => (each === undefined ? '{"user":\n' : `${JSON.stringify(each)}\n`)).join('');
}

/**
 * Adds the histories to records, by their definition and without any state: of the last clicks of the user that are
 * before the row in the stream, those before its time. An invalid record is no click.
 */
export function withLists(
  records: readonly (HistoryRecord | undefined)[],
): readonly (Record<string, unknown> | undefined)[] {
  let latest = -Infinity;
  const isValid = records.map((row) => {
    if (row?.at === undefined) return false;
    latest = Math.max(latest, row.at);
    return latest - row.at <= MAX_LATE && typeof row.price === 'number';
  });
  return records.map((row, r) => {
    if (row === undefined) return undefined;
    const clicks = records
      .slice(0, r)
      .filter((each, e) => isValid[e] && each!.click === 1 && row.user !== undefined && each!.user === row.user)
      .filter((_, c, all) => c >= all.findLastIndex((each) => each!.at !== all.at(-1)!.at) + 1 - LAST)
      .filter((each) => each!.at! < (row.at ?? -Infinity))
      .slice(-LAST) as readonly HistoryRecord[];
    return {
      ...row,
      'clicks.item': clicks.map(({ item = null }) => item),
      'clicks.price': clicks.map(({ price }) => price),
      'clicks.at': clicks.map(({ at }) => at),
    };
  });
}

/** Writes a config and its log; returns the config. */
export function writeHistoryStream(folder: string, config: string, records: readonly (object | undefined)[]): string {
  mkdirSync(join(folder, 'log'), { recursive: true });
  writeFileSync(join(folder, 'log', 'part-0.jsonl'), historyLines(records));
  const path = join(folder, 'stream.yaml');
  writeFileSync(path, config);
  return path;
}

/** Logs of a join by name: lines in order of time. */
export type JoinedLogs = Readonly<Record<'rows' | 'clicks' | 'buys', readonly { readonly at: number; text: string }[]>>;

const [CLICK_SECONDS, BUY_SECONDS] = [60, 600];

/** A stream with histories of clicks, which are joined. */
export const JOINED_CONFIG = `seed: 3
data:
  train: rows
  follow: { fitRows: 500, windowRows: 900 }
  join:
    key: id
    time: at
    timeFormat: seconds
    events:
      click: { file: clicks, within: ${CLICK_SECONDS}s }
      buy: { file: buys, within: ${BUY_SECONDS}s, after: click }
  sequences: { clicks: { of: click, key: user, until: at } }
features:
  ids: { type: categorical, fields: [user, item], width: 4, encoding: tokens }
  history:
    type: sequence
    fields:
      - { name: clicks.item, target: item }
      - { name: clicks.click_time, as: age, until: at, buckets: log, width: 4 }
    keep: { last: ${LAST} }
    encoder: [target-attention, pooling]
tasks:
  ctr: { label: click }
  cvr: { label: buy, given: ctr }
model: { name: esmm, ctrTower: { hidden: [8], dropout: 0.2 }, cvrTower: { hidden: [8] } }
training: { batchSize: 64 }
checkpoints: { everySteps: 20, delta: { everySteps: 3 } }
`;

/** The config for rows that are joined, and have their histories as lists. */
export const JOINED_LISTS_CONFIG = JOINED_CONFIG.replace(/ {2}join:\n( {4}.*\n)+ {2}sequences: .*\n/, '');

/** Logs in order of time, and the rows with their histories in the order in which their labels are certain. */
export function joinedDay(numRows: number): { readonly logs: JoinedLogs; readonly joined: readonly object[] } {
  const random = randomStream(5, 'day');
  const rows = Array.from({ length: numRows }, (_, at) => {
    const [user, item] = [random.below(50), random.below(30)];
    // Times differ, so that all orders are unique.
    const later = (from: number, seconds: number): number => from + random.below(seconds) + random.uniform() / 2;
    const click = random.uniform() < ((user + item) % 3 === 0 ? 0.7 : 0.2) ? later(at, 90) : Infinity;
    const buy = random.uniform() < 0.4 ? later(click, 800) : Infinity;
    return { id: `r${at}`, at, user: `u${user}`, item: `i${item}`, click, buy };
  });
  const isClicked = ({ at, click }: (typeof rows)[number]): boolean => click <= at + CLICK_SECONDS;
  const clicked = rows.filter(isClicked).sort((a, b) => a.click - b.click);
  const joined = rows.map((row) => {
    const { at, user, item, click, buy } = row;
    const isBought = isClicked(row) && buy <= click + BUY_SECONDS;
    const certain = isBought ? buy : isClicked(row) ? click + BUY_SECONDS : at + CLICK_SECONDS;
    const history = clicked.filter((each) => each.user === user && each.click < at).slice(-LAST);
    const lists = {
      'clicks.item': history.map((each) => each.item),
      'clicks.click_time': history.map((each) => each.click),
    };
    return { certain, row: { at, user, item, click: Number(isClicked(row)), buy: Number(isBought), ...lists } };
  });
  const logOf = (event: 'click' | 'buy'): JoinedLogs['clicks'] =>
    rows
      .filter((row) => row[event] < Infinity)
      .map(({ id, [event]: at }) => ({ at, text: JSON.stringify({ id, at }) }))
      .sort((a, b) => a.at - b.at);
  const logs = {
    rows: rows.map(({ id, at, user, item }) => ({ at, text: JSON.stringify({ id, at, user, item }) })),
    clicks: logOf('click'),
    buys: logOf('buy'),
  };
  const end = Math.max(...Object.values(logs).map((log) => log.at(-1)!.at));
  const known = joined.filter(({ certain }) => certain < end).sort((a, b) => a.certain - b.certain);
  return { logs, joined: known.map(({ row }) => row) };
}

/** Writes the records of all logs before a time; returns the config. */
export function writeJoinedStream(folder: string, config: string, logs: JoinedLogs, end = Infinity): string {
  for (const [name, log] of Object.entries(logs)) {
    mkdirSync(join(folder, name), { recursive: true });
    const lines = log.filter(({ at }) => at < end).map(({ text }) => `${text}\n`);
    writeFileSync(join(folder, name, 'part-0.jsonl'), lines.join(''));
  }
  const path = join(folder, 'stream.yaml');
  writeFileSync(path, config);
  return path;
}
