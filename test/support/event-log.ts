import { randomStream } from '../../src/core/random.js';

/** An event of a user. */
export interface Event {
  readonly user: string;
  readonly item: string;
  readonly price: number;
  readonly time: number;
}

/** A row to predict, with the user and the time. */
export interface Request {
  readonly click: number;
  readonly user: string;
  readonly item: string;
  readonly now: number;
}

const USERS = ['u1', 'u2', '3', 'ü', 'many'];

/** Draws events in any order, with equal times and missing items. */
export function drawEvents(count: number, seed = 1): readonly Event[] {
  const random = randomStream(seed, 'events');
  return Array.from({ length: count }, () => ({
    user: USERS[random.below(USERS.length)]!,
    item: ['a', 'b', 'c', 'd', ''][random.below(5)]!,
    price: random.below(40) / 4,
    time: random.below(60),
  }));
}

/** Draws rows, some of users without events. */
export function drawRequests(count: number, seed = 2): readonly Request[] {
  const random = randomStream(seed, 'requests');
  return Array.from({ length: count }, (_, i) => ({
    click: i % 2,
    user: [...USERS, 'none', ''][random.below(USERS.length + 2)]!,
    item: ['a', 'b', 'c', 'e'][random.below(4)]!,
    now: random.below(70),
  }));
}

/** Finds the events of a user before a time, from the oldest to the newest; equal times keep their order. */
export function eventsBefore(events: readonly Event[], { user, now }: Request): readonly Event[] {
  const sorted: Event[] = [];
  for (const event of events) {
    if (event.user !== user || !(event.time < now)) continue;
    const later = sorted.findIndex(({ time }) => time > event.time);
    sorted.splice(later < 0 ? sorted.length : later, 0, event);
  }
  return sorted;
}

const lines = (header: string, rows: readonly (readonly unknown[])[]): string =>
  `${header}\n${rows.map((row) => `${row.join(',')}\n`).join('')}`;

/** Writes events as a CSV. */
export function eventCsv(events: readonly Event[]): string {
  return lines(
    'user,t,item,price',
    events.map(({ user, time, item, price }) => [user, time, item, price]),
  );
}

/** Writes rows as a CSV without items. */
export function requestCsv(requests: readonly Request[]): string {
  return lines(
    'click,user,item,now',
    requests.map(({ click, user, item, now }) => [click, user, item, now]),
  );
}

/** Writes rows as a CSV with all events before each row as lists. */
export function joinedCsv(events: readonly Event[], requests: readonly Request[]): string {
  const joined = requests.map((request) => {
    const own = eventsBefore(events, request);
    const list = (of: (event: Event) => unknown): string =>
      // A list of one missing item is written as JSON.
      own.length === 1 && own[0]!.item === '' && of(own[0]!) === '' ? '[null]' : own.map(of).join('|');
    const { click, user, item, now } = request;
    return [click, user, item, now, list((e) => e.item), list((e) => e.price), list((e) => e.time)];
  });
  return lines('click,user,item,now,log.item,log.price,log.t', joined);
}

/** Writes events as JSON Lines with one row per user, whose events are lists. */
export function userLines(events: readonly Event[]): string {
  const users = [...new Set(events.map(({ user }) => user))];
  return users
    .map((user) => {
      const own = events.filter((event) => event.user === user);
      const lists = {
        t: own.map(({ time }) => time),
        item: own.map(({ item }) => (item === '' ? null : item)),
        price: own.map(({ price }) => price),
      };
      return `${JSON.stringify({ user, ...lists })}\n`;
    })
    .join('');
}

/** Features of a candidate and of the events of its user before a request, as YAML lines of a config. */
export const EVENT_FEATURES = `features:
  ids: { type: categorical, fields: [item], encoding: tokens }
  clicks:
    type: sequence
    fields:
      - { name: log.item, target: item }
      - { name: log.price, scaling: standard }
      - { name: log.t, as: age, until: now, buckets: log, width: 4 }
    keep: { last: 6 }
    encoder: target-attention
`;
