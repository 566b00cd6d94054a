import { readVector, refuseOthers, tensorError } from '../io/named-tensor.js';
import type { StoredTensor } from '../io/safetensors.js';
import type { EventValues } from './event-log.js';
import { textsOfTensors, textTensors, type StringPool } from './vocabulary/string-pool.js';

/** A column of the events of a store. */
export interface StoredColumn {
  readonly name: string;
  /** Whether its values are numbers or times; others are texts. */
  readonly isNumber: boolean;
}

/** Where a store is in its stream. */
export interface StorePlace {
  /** Maximum number of events per user before the position. */
  readonly last: number;
  /** Records before the position from which the stream is read again. */
  readonly position: number;
  /** Records whose events were added. */
  readonly end: number;
  /** Events that were added before the first stored event: 0 if all events are stored. */
  readonly first: number;
  /** Events that were added, with those that are no longer stored. */
  readonly count: number;
}

/** Events by user; of each user, the one that was added first is first. */
export interface StoredEvents {
  readonly place: StorePlace;
  readonly users: StringPool;
  /** Number of events by user. */
  readonly lengths: Uint32Array;
  /** Number of the record before which an event is not known, by event. */
  readonly records: Float64Array;
  readonly times: Float64Array;
  /** By name, in order of the names. Index 0 of texts is a missing value. */
  readonly columns: ReadonlyMap<string, EventValues>;
}

const PLACE = ['last', 'position', 'end', 'first', 'count'] as const;
const [NUMBERS, CODES, TEXTS] = ['numbers.', 'codes.', 'texts.'];

/** Converts events to tensors. */
export function eventTensors({
  place,
  users,
  lengths,
  records,
  times,
  columns,
}: StoredEvents): ReadonlyMap<string, StoredTensor> {
  const tensor = (data: Float64Array | Uint32Array): StoredTensor => ({ shape: [data.length], data });
  return new Map<string, StoredTensor>([
    ['place', tensor(Float64Array.from(PLACE, (name) => place[name]))],
    ...textTensors(users, 'users'),
    ['lengths', tensor(lengths)],
    ['records', tensor(records)],
    ['times', tensor(times)],
    ...[...columns].flatMap(([name, values]): [string, StoredTensor][] =>
      'numbers' in values
        ? [[NUMBERS + name, tensor(values.numbers)]]
        : [[CODES + name, tensor(values.codes)], ...textTensors(values.texts, TEXTS + name)],
    ),
  ]);
}

/**
 * Converts tensors to events.
 * @throws UserError (checkpoint) for a missing, invalid or unexpected tensor
 */
export function eventsOfTensors(tensors: ReadonlyMap<string, StoredTensor>): StoredEvents {
  const numbers = readVector(tensors, 'place', 'F64', PLACE.length);
  const [last, position, end, first, count] = [...numbers] as [number, number, number, number, number];
  const users = poolOf(tensors, 'users');
  const lengths = readVector(tensors, 'lengths', 'U32');
  const records = readVector(tensors, 'records', 'F64');
  const numEvents = records.length;
  if (lengths.length !== users.offsets.length - 1 || lengths.reduce((sum, own) => sum + own, 0) !== numEvents)
    throw tensorError('lengths', 'expected the numbers of events of the users');
  const times = readVector(tensors, 'times', 'F64', numEvents);
  const columns = new Map<string, EventValues>();
  const names = [...tensors.keys()].flatMap((name) => /^(?:numbers|codes)\.(.*)$/s.exec(name)?.[1] ?? []);
  for (const name of names.sort()) columns.set(name, valuesOf(tensors, name, numEvents));
  const events = { place: { last, position, end, first, count }, users, lengths, records, times, columns };
  refuseOthers(tensors, new Set(eventTensors(events).keys()));
  return events;
}

function valuesOf(tensors: ReadonlyMap<string, StoredTensor>, name: string, numEvents: number): EventValues {
  if (tensors.has(NUMBERS + name)) return { numbers: readVector(tensors, NUMBERS + name, 'F64', numEvents) };
  const codes = readVector(tensors, CODES + name, 'U32', numEvents);
  const texts = poolOf(tensors, TEXTS + name);
  if (codes.some((code) => code >= texts.offsets.length - 1))
    throw tensorError(CODES + name, 'the tensor has a code without a text');
  return { texts, codes };
}

function poolOf(tensors: ReadonlyMap<string, StoredTensor>, name: string): StringPool {
  const pool = textsOfTensors(tensors, name);
  if (pool === undefined) throw tensorError(name, 'the tensors are missing');
  return pool;
}
