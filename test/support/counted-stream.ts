import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomStream } from '../../src/core/random.js';
import { trainSmall, type SmallRun } from './small-run.js';

/** A stream with counters, and a checkpoint every few steps, most of them deltas. */
const CONFIG = `seed: 3
data:
  train: log
  follow: { fitRows: 5000, windowRows: 900 }
  counters:
    time: at
    format: seconds
    delay: 20s
    tolerance: 3s
    count:
      shows: { by: item, within: 10m }
      clicks: { by: item, of: click, within: 5m }
      rate: { by: [user, item], of: click, within: 1h, rate: { prior: 3 } }
features:
  ids: { type: categorical, fields: [user, item], width: 4, encoding: tokens }
  recent: { type: numeric, fields: [shows, clicks, rate], scaling: [log1p, standard] }
tasks: { ctr: { label: click } }
model: { name: single-task, wide: true }
training: { batchSize: 64, shuffle: false, epochs: 1 }
checkpoints: { everySteps: 20, delta: { everySteps: 3 } }
`;

/** Records of which some are out of order, within the tolerance, and some have equal times. */
function writeRecords(numRecords: number): readonly string[] {
  const random = randomStream(5, 'counters');
  return Array.from({ length: numRecords }, (_, r) => {
    const [user, item] = [random.below(20), random.below(15)];
    const click = Number(random.uniform() < ((item + Math.floor(r / 500)) % 3 === 0 ? 0.7 : 0.2));
    return JSON.stringify({ at: Math.floor(r / 2) - random.below(3), user: `u${user}`, item: `i${item}`, click });
  });
}

export const RECORDS = writeRecords(2560);

/** Records of which some are late by more than the tolerance. */
export const WITH_LATE = RECORDS.map((text, r) => (r % 300 === 299 ? text.replace(/"at":\d+/, '"at":7') : text));

/** Writes the config, and records as the log; returns the config. */
export function writeCountedStream(folder: string, records = RECORDS): string {
  mkdirSync(join(folder, 'log'), { recursive: true });
  const lines = records.map((text) => `${text}\n`);
  writeFileSync(join(folder, 'log', 'part-0.jsonl'), lines.join(''));
  const config = join(folder, 'stream.yaml');
  writeFileSync(config, CONFIG);
  return config;
}

/** Trains on the stream in this process until its end. */
export function follow(config: string, runDir: string, options: SmallRun = {}): ReturnType<typeof trainSmall> {
  return trainSmall(config, { follow: true, untilEnd: true, runDir, ...options });
}
