import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomStream } from '../../src/core/random.js';
import { delays } from '../../src/delay/delays.js';

const HOUR = 3600;
const START = 1_790_000_000;
/** Seconds between two times of an impression are multiples of this. */
const STEP = 300;
const [CLICK_HOURS, BUY_HOURS, WAIT_HOURS] = [1, 36, 3];

/** An impression, with the times of its click and purchase in seconds, if they happen. */
export interface Impression {
  readonly id: string;
  readonly item: number;
  readonly at: number;
  readonly click: number | undefined;
  readonly buy: number | undefined;
  /** Time of the click, or when it is certain that there is none. */
  readonly known: number;
}

/** A sample of an impression: its number among those of the row, and the events that had happened. */
export interface LoggedSample {
  readonly time: number;
  readonly row: Impression;
  readonly number: number;
  readonly click: number | undefined;
  readonly buy: number | undefined;
}

/** Draws up to 2,400 impressions in order of time. Only times of the same one are equal. */
export function drawImpressions(seed: number, count: number): readonly Impression[] {
  const random = randomStream(seed, 'delayed logs');
  let step = 0;
  return Array.from({ length: count }, (_, r): Impression => {
    step += random.below(3);
    const at = START + STEP * step + r / 8;
    const item = random.below(12);
    const click = random.below(2) === 1 ? at + STEP * random.below(16) : undefined;
    const isClicked = click !== undefined && click <= at + CLICK_HOURS * HOUR;
    // Some are after the window, and some at once.
    const delay = item % 2 === 0 && random.below(3) > 0 ? STEP * random.below(240) * random.below(3) : undefined;
    const buy = isClicked && delay !== undefined ? click + delay : undefined;
    return { id: `r${r}`, item, at, click, buy, known: isClicked ? click : at + CLICK_HOURS * HOUR };
  });
}

/** Options of a method in a config. */
export function delayOptions(method: string, from: string): string {
  const part = delays.parts.find(({ name }) => name === method)!;
  const wait = 'wait' in part.options() ? `, wait: ${WAIT_HOURS}h` : '';
  return `{ method: ${method}, from: ${from}, event: buy_time, format: seconds, window: ${BUY_HOURS}h${wait} }`;
}

/**
 * Lists the samples of a method up to a time: for each row one of tasks without delay when its click is certain, and
 * those of the method, of which the first is the same if its time is. Sorted by time, then row.
 */
export function listSamples(method: string, rows: readonly Impression[], end: number): readonly LoggedSample[] {
  const part = delays.parts.find(({ name }) => name === method)! as unknown as {
    build(options: object, windowMs: number): { samples(delayMs?: number): readonly { readonly afterMs: number }[] };
  };
  const { samples } = part.build({ wait: `${WAIT_HOURS}h` }, BUY_HOURS * HOUR * 1000);
  return rows
    .flatMap((row) => {
      const isClicked = row.click !== undefined && row.click === row.known;
      const delay = row.buy === undefined ? undefined : row.buy - row.known;
      const delayMs = delay === undefined || delay > BUY_HOURS * HOUR ? undefined : 1000 * delay;
      const after = isClicked ? samples(delayMs).map(({ afterMs }) => afterMs / 1000) : [];
      const times = after[0] === 0 ? after : [0, ...after];
      return times.map((seconds, number): LoggedSample => {
        const time = row.known + seconds;
        const hasBought = delayMs !== undefined && row.buy! <= time;
        return {
          time,
          row,
          number,
          click: isClicked ? row.click : undefined,
          buy: hasBought ? row.buy : undefined,
        };
      });
    })
    .filter(({ time }) => time <= end)
    .sort((a, b) => a.time - b.time);
}

/** Writes the records of the three logs up to a time; if the logs then end, also one of an unknown row after it. */
export function writeLogs(folder: string, rows: readonly Impression[], end: number, isEnd: boolean): void {
  const write = (name: string, header: string, lines: readonly string[]): void =>
    writeFileSync(join(folder, name), [header, ...lines, ''].join('\n'));
  const events = (times: readonly (readonly [id: string, time: number | undefined])[]): readonly string[] =>
    times
      .filter((each): each is readonly [string, number] => each[1] !== undefined && each[1] <= end)
      .sort((a, b) => a[1] - b[1])
      .map(([id, time]) => `${id},${time}`);
  const seen = rows.filter(({ at }) => at <= end);
  write(
    'rows.csv',
    'id,at,item',
    seen.map(({ id, at, item }) => `${id},${at},${item}`),
  );
  write('clicks.csv', 'id,at', events(rows.map(({ id, click }) => [id, click])));
  write('buys.csv', 'id,at', [
    ...events(rows.map(({ id, buy }) => [id, buy])),
    ...(isEnd ? [`unknown,${end + 1 / 16}`] : []),
  ]);
}

/** Writes the log with all events of each row, in the order in which clicks are certain. */
export function writeJoinedLog(folder: string, rows: readonly Impression[]): void {
  const lines = rows.map(({ item, known, click, buy }) =>
    [known, item, Number(click === known), Number(buy !== undefined), buy ?? ''].join(','),
  );
  writeFileSync(join(folder, 'joined.csv'), ['known_time,item,click,buy,buy_time', ...lines, ''].join('\n'));
}

/** The section `data` of a config that joins the logs. */
export const JOINED_DATA = `data:
  train: rows.csv
  follow: { windowRows: 500 }
  join:
    key: id
    time: at
    timeFormat: seconds
    events:
      click: { file: clicks.csv, within: ${CLICK_HOURS}h }
      buy: { file: buys.csv, within: ${BUY_HOURS}h, after: click }
`;
