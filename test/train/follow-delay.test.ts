/** @module-tag long */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { delays } from '../../src/delay/delays.js';
import type { StreamWindow } from '../../src/training/observer.js';
import {
  delayOptions,
  drawImpressions,
  JOINED_DATA,
  listSamples,
  writeJoinedLog,
  writeLogs,
  type Impression,
  type LoggedSample,
} from '../support/delayed-logs.js';
import { scratchFolder } from '../support/scratch.js';
import { abortAtStep, trainSmall, type SmallRun } from '../support/small-run.js';

const BATCH_ROWS = 32;
const WINDOW_ROWS = 500;
const IMPRESSIONS = drawImpressions(4, 1200);

function writeConfig(folder: string, method: string, data: string, from: string): string {
  const config = join(folder, `${from}.yaml`);
  writeFileSync(
    config,
    `${data}features:
  items: { type: categorical, fields: [item], width: 4 }
tasks:
  ctr: { label: click }
  cvr: { label: buy, given: ctr, delay: ${delayOptions(method, from)} }
model: { name: shared-bottom, wide: true, tower: { hidden: [4], dropout: 0.2 } }
training: { batchSize: ${BATCH_ROWS}, shuffle: false }
`,
  );
  return config;
}

/** Returns impressions in the order of their clicks whose samples fill whole batches. */
function wholeBatches(method: string): readonly Impression[] {
  const all = [...IMPRESSIONS].sort((a, b) => a.known - b.known);
  for (let count = all.length; ; count--) {
    const rows = all.slice(0, count);
    const end = rows.at(-1)!.known;
    const isComplete = all[count] === undefined || all[count]!.known > end;
    if (isComplete && listSamples(method, rows, end).length % BATCH_ROWS === 0) return rows;
  }
}

const weights = (run: string): readonly Buffer[] =>
  ['weights', 'optimizer'].map((file) => readFileSync(join(run, 'checkpoints/last', `${file}.safetensors`)));
const follow = (config: string, options: SmallRun): ReturnType<typeof trainSmall> =>
  trainSmall(config, { follow: true, untilEnd: true, ...options });

describe('training on joined logs with delayed labels', () => {
  it.each(delays.names)('%s equals the replay of the joined log, also if the run is interrupted', async (method) => {
    const folder = scratchFolder();
    const rows = wholeBatches(method);
    const end = rows.at(-1)!.known;
    writeJoinedLog(folder, rows);
    const replayed = writeConfig(folder, method, 'data: { train: joined.csv }\n', 'known_time');
    const replay = await trainSmall(replayed, { runDir: join(folder, 'replay') });
    expect(replay.steps).toBeGreaterThan(30);
    const config = writeConfig(folder, method, JOINED_DATA, 'click_time');
    writeLogs(folder, IMPRESSIONS, end, true);
    const stream = await follow(config, { runDir: join(folder, 'stream') });
    expect([stream.steps, stream.rejectedRows]).toEqual([replay.steps, 0]);
    expect(weights(join(folder, 'stream'))).toEqual(weights(join(folder, 'replay')));

    const parts = join(folder, 'parts');
    await follow(config, { runDir: parts, ...abortAtStep(23) });
    await follow(config, { resume: parts });
    expect(weights(parts)).toEqual(weights(join(folder, 'replay')));
  });

  it('is refused for a stream that is not joined, or whose times are others', async () => {
    const folder = scratchFolder();
    const refuses = (data: string, message: string): Promise<void> =>
      expect(follow(writeConfig(folder, 'fnw', data, 'click_time'), {})).rejects.toThrow(message);
    await refuses('data: { train: rows.csv }\n', 'tasks.cvr.delay: replays a log that has the conversions already');
    await refuses(JOINED_DATA.replace('timeFormat: seconds', 'timeFormat: iso'), 'not that of data.join');
  });

  it('goes on when the logs grow', async () => {
    const folder = scratchFolder();
    const config = writeConfig(
      folder,
      'es-dfm',
      JOINED_DATA.replace('{ windowRows', '{ fitRows: 400, windowRows'),
      'click_time',
    );
    const [first, last] = [IMPRESSIONS[0]!.at, IMPRESSIONS.at(-1)!.at];
    const run = join(folder, 'parts');
    for (const share of [0.5, 0.5, 0.7, 0.93]) {
      writeLogs(folder, IMPRESSIONS, first + share * (last - first), false);
      await follow(config, share === 0.5 ? { runDir: run, resume: 'auto' } : { resume: run });
    }
    writeLogs(folder, IMPRESSIONS, last, true);
    await follow(config, { resume: run });
    const whole = join(folder, 'whole');
    await follow(config, { runDir: whole });
    expect(weights(run)).toEqual(weights(whole));
  });

  it('measures tasks without delay once per row', async () => {
    const folder = scratchFolder();
    const end = IMPRESSIONS.at(-1)!.known;
    writeLogs(folder, IMPRESSIONS, end, true);
    const windows: StreamWindow[] = [];
    const config = writeConfig(folder, 'fnw', JOINED_DATA, 'click_time');
    await follow(config, { runDir: join(folder, 'run'), on: { onWindow: (window) => windows.push(window) } });
    const samples = listSamples('fnw', IMPRESSIONS, end);
    expect(windows).toHaveLength(Math.floor(samples.length / WINDOW_ROWS));
    for (const [w, { report }] of windows.entries()) {
      const own = samples.slice(w * WINDOW_ROWS, (w + 1) * WINDOW_ROWS);
      const rows = own.filter(({ number }) => number === 0);
      const isPositive = ({ time, buy, number }: LoggedSample): boolean => number === 1 && buy === time;
      expect(report['ctr']).toMatchObject({
        rows: rows.length,
        positives: rows.filter(({ click }) => click !== undefined).length,
      });
      expect(report['cvr']).toMatchObject({
        rows: own.filter(({ click }) => click !== undefined).length,
        positives: own.filter(isPositive).length,
      });
    }
  });
});
