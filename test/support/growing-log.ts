import { randomStream } from '../../src/core/random.js';

/** A config of a stream whose items come and go. */
export const GROWING_CONFIG = `seed: 3
data:
  train: log
  follow: { fitRows: 300, windowRows: 900, time: at, timeFormat: seconds }
features:
  user: { type: categorical, fields: [user], width: 4, encoding: tokens }
  item:
    type: categorical
    fields: [item]
    width: 4
    encoding: { name: tokens, capacity: 60, admit: { count: 2 }, expire: { unseen: 60s } }
tasks: { ctr: { label: click } }
model: { name: single-task, wide: true }
training: { batchSize: 32 }
checkpoints: { everySteps: 40, delta: { everySteps: 3 } }
`;

/** Its records: items are more than the capacity, and some are unseen for long. */
export function growingRecords(numRecords: number): readonly string[] {
  const random = randomStream(5, 'growth');
  return Array.from({ length: numRecords }, (_, at) => {
    const item = Math.floor(at / 40) + random.below(70) - (random.uniform() < 0.1 ? 40 : 0);
    const user = random.below(50);
    const click = Number(random.uniform() < ((user + item) % 3 === 0 ? 0.7 : 0.2));
    return JSON.stringify({ at, user: `u${user}`, item: `i${item}`, click });
  });
}
