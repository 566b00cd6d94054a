import { z } from 'zod';
import { UserError } from '../../core/errors.js';
import type { EventValues, SortedEvents } from '../../features/event-log.js';
import { textTensors, textsOfTensors, type StringPool } from '../../features/vocabulary/string-pool.js';
import { attachIndex } from '../../features/vocabulary/text-table.js';
import type { StoredTensor } from '../../io/safetensors.js';
import { isDamage } from './entry.js';
import { readTensors, writeTensors } from './tensor-folder.js';

// Sorted events in a directory of the cache: their arrays as tensors, and JSON that describes them.

const NAME = 'events';
const USERS = 'users';

const describedSchema = z.strictObject({
  /** SHA-256 of the users and events. */
  digest: z.string(),
  /** Names of the values, in order. */
  columns: z.array(z.string()),
});

/** Writes events to a directory. */
export async function writeEvents(folder: string, events: SortedEvents): Promise<void> {
  const json: z.output<typeof describedSchema> = { digest: events.digest, columns: [...events.columns.keys()] };
  await writeTensors(folder, NAME, { json, tensors: tensorsOf(events) });
}

/** Reads events into shared memory; returns undefined if the directory is damaged or was removed. */
export async function readEvents(folder: string): Promise<SortedEvents | undefined> {
  try {
    const { json, tensors } = await readTensors(folder, NAME);
    const { digest, columns } = describedSchema.parse(json);
    return { ...eventsOf(tensors, columns), digest };
  } catch (error) {
    if (!(error instanceof UserError || isDamage(error))) throw error;
    return undefined;
  }
}

function tensorsOf({ users, firsts, times, columns }: SortedEvents): ReadonlyMap<string, StoredTensor> {
  const plain = (data: StoredTensor['data']): StoredTensor => ({ shape: [data.length], data });
  const ofColumns = [...columns].flatMap(([name, values]): (readonly [string, StoredTensor])[] =>
    'numbers' in values
      ? [[`numbers ${name}`, plain(values.numbers)]]
      : [[`codes ${name}`, plain(values.codes)], ...textTensors(values.texts, `texts ${name}`)],
  );
  return new Map([
    ...textTensors(users, USERS),
    ['slots', plain(users.index)],
    ['firsts', plain(firsts)],
    ['times', plain(times)],
    ...ofColumns,
  ]);
}

/** Converts tensors of `tensorsOf` to events. */
function eventsOf(
  tensors: ReadonlyMap<string, StoredTensor>,
  columns: readonly string[],
): Omit<SortedEvents, 'digest'> {
  const find = (name: string): unknown => tensors.get(name)!.data;
  const texts = (name: string): StringPool => textsOfTensors(tensors, name)!;
  const values = (name: string): EventValues =>
    tensors.has(`numbers ${name}`)
      ? { numbers: find(`numbers ${name}`) as Float64Array }
      : { texts: texts(`texts ${name}`), codes: find(`codes ${name}`) as Uint32Array };
  return {
    users: attachIndex(texts(USERS), find('slots') as Int32Array),
    firsts: find('firsts') as Uint32Array,
    times: find('times') as Float64Array,
    columns: new Map(columns.map((name) => [name, values(name)])),
  };
}
