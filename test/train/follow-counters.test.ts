/** @module-tag long */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readTimes } from '../../src/data/counters/counter-set.js';
import { splitStates } from '../../src/data/counters/counter-start.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { readChain } from '../../src/runs/delta.js';
import { loadModel } from '../../src/trained-model/load-model.js';
import { follow, RECORDS, WITH_LATE, writeCountedStream } from '../support/counted-stream.js';
import { streamTrace } from '../support/event-stream.js';
import { scratchFolder } from '../support/scratch.js';
import { trainSmall } from '../support/small-run.js';

const lastOf = (run: string): string => join(run, 'checkpoints/last');

/** Overrides by which each record has the items of earlier ones. */
const historiesOf = (log: string): readonly string[] => [
  `data.sequences.events={ file: ${log}, key: user, time: at, until: at }`,
  'features.history={ type: sequence, fields: [{ name: events.item, target: item }], encoder: pooling }',
];

/** Reads the last checkpoint of a run, with all numbers of its tensors. */
async function readTrained(run: string) {
  const { fitted, states, program } = await readCheckpoint(lastOf(run), { withOptimizer: true });
  const tensors = [...program.weights, ...program.optimizer];
  return {
    fitted,
    step: program.step,
    counters: [...states.counters!],
    program: tensors.map(([name, { data }]) => [name, [...data]]),
  };
}

describe('training on a stream with counters', () => {
  it.each([
    ['counters', false],
    ['counters, and histories from a complete log', true],
  ])('gives the weights of a training on the same file: %s', { timeout: 120_000 }, async (_, hasHistories) => {
    const folder = scratchFolder();
    const set = hasHistories ? historiesOf(join(folder, 'log')) : [];
    const config = writeCountedStream(folder);
    await follow(config, join(folder, 'stream'), { set });
    await trainSmall(config, { runDir: join(folder, 'file'), set });
    const [stream, file] = [await readTrained(join(folder, 'stream')), await readTrained(join(folder, 'file'))];
    expect(stream.fitted).toEqual(file.fitted);
    expect(stream.program).toEqual(file.program);
  });

  it('gives the weights of a training on the same file if it drops rows without a label', async () => {
    const folder = scratchFolder();
    const set = ['tasks.ctr.onMissing=drop'];
    const records = RECORDS.map((text, r) => (r % 7 === 3 ? text.replace(/"click":\d/, '"click":null') : text));
    const trainBoth = async (end: number) => {
      const config = writeCountedStream(folder, records.slice(0, end));
      await follow(config, join(folder, `stream-${end}`), { set });
      await trainSmall(config, { runDir: join(folder, `file-${end}`), set });
      return Promise.all([`stream-${end}`, `file-${end}`].map((run) => readTrained(join(folder, run))));
    };
    // Of 7 records 6 are kept, so the first number is 12 whole batches; the second leaves rows for another batch.
    const [stream, file] = await trainBoth(7 * 128);
    expect(stream!.fitted).toEqual(file!.fitted);
    expect(stream!.program).toEqual(file!.program);
    const [beforeRest, afterRest] = await trainBoth(7 * 128 + 32);
    expect(beforeRest!.step).toBe(12);
    expect(afterRest!.step).toBe(13);
  }, 120_000);

  it('gives the same bytes if it is resumed from deltas', { timeout: 120_000 }, async () => {
    const folder = scratchFolder();
    const [parts, whole] = [join(folder, 'parts'), join(folder, 'whole')];
    const set = ['data.follow.fitRows=250'];
    // No end is that of a batch, so that records were counted before their batch was complete.
    for (const end of [300, 1001, 1001, 1777])
      await follow(writeCountedStream(folder, WITH_LATE.slice(0, end)), parts, { set, resume: 'auto' });
    const config = writeCountedStream(folder, WITH_LATE);
    await follow(config, parts, { set, resume: 'auto' });
    await follow(config, whole, { set });
    for (const run of [parts, whole]) expect((await readChain(lastOf(run))).deltas.length).toBeGreaterThan(0);
    const { counters, program } = await readTrained(whole);
    const resumed = await readTrained(parts);
    expect(resumed.counters).toEqual(counters);
    expect(resumed.program).toEqual(program);
    const [{ metrics, rejects }, other] = [await streamTrace(whole), await streamTrace(parts)];
    expect([other['metrics'], other['rejects']]).toEqual([metrics, rejects]);
    expect(rejects).toContain('a time at most 3s before the latest one');
  });

  it('stores counters for answers, and for runs that start from it', { timeout: 120_000 }, async () => {
    const folder = scratchFolder();
    const first = join(folder, 'first');
    await follow(writeCountedStream(folder, RECORDS.slice(0, 1290)), first);
    const { counters } = (await readCheckpoint(lastOf(first))).states;
    // Records after the last whole batch are not trained on yet.
    const events = RECORDS.slice(0, 1280).map((text) => JSON.parse(text) as { at: number; item: string });
    const latest = Math.max(...events.map(({ at }) => at));
    expect(readTimes(splitStates(counters).ends[0]!).clock).toBe(1000 * latest);
    // The window ends 3 s before the row, and has a precision of 600 / 64 s, of which there is no event here.
    const model = await loadModel(first);
    const [user, item] = ['u3', 'i4'];
    const at = latest + 60;
    const shows = events.filter((event) => event.item === item && event.at > at - 3 - 600).length;
    expect(shows).toBeGreaterThan(0);
    expect(model.predict([{ user, item, at }])).toEqual(model.predict([{ user, item, at, shows }]));
    const notices: string[] = [];
    const next = join(folder, 'next');
    await follow(writeCountedStream(folder, RECORDS.slice(1290)), next, {
      set: [`initFrom.checkpoint=${first}`],
      on: { onWarning: (text) => notices.push(text) },
    });
    expect(notices.filter((text) => text.startsWith('counters continue from'))).toHaveLength(1);
    const state = splitStates((await readCheckpoint(lastOf(next))).states.counters);
    expect(readTimes(state.start!).clock).toBe(1000 * latest);
  });
});
