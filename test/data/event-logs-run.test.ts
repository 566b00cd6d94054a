/** @module-tag long */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DataDescription } from '../../src/data/info/describe-data.js';
import type { Explanation } from '../../src/trained-model/explainer.js';
import { loadModel } from '../../src/trained-model/load-model.js';
import { entriesIn } from '../support/cached-csv.js';
import { drawEvents, drawRequests, EVENT_FEATURES, eventCsv, eventsBefore, requestCsv } from '../support/event-log.js';
import { BIN, mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

const CONFIG = `
data:
  train: train.csv
  valid: valid.csv
  test: test.csv
  sequences: { log: { file: events.csv, key: user, time: t, until: now } }
${EVENT_FEATURES}tasks: { ctr: { label: click } }
model: { name: single-task, tower: { hidden: [8] } }
training: { batchSize: 64 }
`;
const events = drawEvents(400);
/** A missing item, as in JSON. */
const NO_ITEM = null as unknown as string;

/** Writes a log; returns a directory. */
function writeLog(): string {
  const cwd = scratchFolder();
  writeFileSync(join(cwd, 'c.yaml'), CONFIG);
  writeFileSync(join(cwd, 'events.csv'), eventCsv(events));
  for (const [s, split] of ['train', 'valid', 'test'].entries())
    writeFileSync(join(cwd, `${split}.csv`), requestCsv(drawRequests(s === 0 ? 600 : 200, s)));
  return cwd;
}

/** Runs a command that succeeds; returns the result that it prints as JSON. */
async function run(cwd: string, ...args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await mtl(cwd, [...args, '--json']);
  expect([args[0], code, code === 0 ? '' : stderr]).toEqual([args[0], 0, '']);
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('a model with an event log', () => {
  it('is the same in files, and in rows that have their items', async () => {
    const cwd = writeLog();
    const trained = await mtl(cwd, ['train', 'c.yaml', '--run-dir', 'run', '--json', '--set', 'training.epochs=2']);
    expect([trained.code, trained.stderr]).toEqual([
      0,
      expect.stringMatching(/data\.train: the user of \d+ of 600 rows is not in data\.sequences\.log/),
    ]);
    const { metrics } = JSON.parse(trained.stdout) as { metrics: { test: unknown } };
    const evaluated = (await run(cwd, 'eval', 'run')) as { metrics: { test: unknown } };
    expect(evaluated.metrics.test).toEqual(metrics.test);

    await run(cwd, 'predict', 'run', '--data', 'test.csv', '--out', 'predicted.csv');
    const [head, ...lines] = readFileSync(join(cwd, 'predicted.csv'), 'utf8').trimEnd().split('\n');
    const predicted = lines.map((line) => Math.fround(Number(line.split(',')[head!.split(',').indexOf('ctr')])));
    const requests = drawRequests(200, 2);
    const model = await loadModel(join(cwd, 'run'));
    expect(model.inputs).toEqual([
      { name: 'item', holds: 'text' },
      { name: 'log.item', holds: 'bag', isAligned: true },
      { name: 'log.price', holds: 'bag', isAligned: true },
      { name: 'log.t', holds: 'bag', isAligned: true },
      { name: 'now', holds: 'text' },
    ]);
    const rows = requests.map((request) => {
      const own = eventsBefore(events, request);
      return {
        item: request.item,
        now: request.now,
        'log.item': own.map(({ item }) => (item === '' ? NO_ITEM : item)),
        'log.price': own.map(({ price }) => price),
        'log.t': own.map(({ time }) => time),
      };
    });
    expect([...model.predict(rows)['ctr']!]).toEqual(predicted);
    // The items matter.
    const others = rows.map(({ item }, i) => ({ ...rows[(i + 50) % rows.length]!, item }));
    expect([...model.predict(others)['ctr']!]).not.toEqual(predicted);

    const longest = rows.reduce((best, row, r) => (row['log.t'].length > rows[best]!['log.t'].length ? r : best), 0);
    const ofFile = (await run(cwd, 'explain', 'run', '--row', String(longest + 1))) as unknown as Explanation;
    const ofRow = model.explain(rows[longest]!);
    const own = ofRow.sequences[0]!;
    expect(own.items).toHaveLength(6);
    expect(ofFile.predictions).toEqual(ofRow.predictions);
    // The log's times are shown as ages.
    const shown = ({ items }: typeof own): unknown[] =>
      items.map(({ position, values, attention }) => ({
        position,
        attention,
        values: [values['log.item'], Number(values['log.price'])],
      }));
    expect(shown(ofFile.sequences[0]!)).toEqual(shown(own));
    model.dispose();
  });

  it('is checked, described and exported', async () => {
    const cwd = writeLog();
    await run(cwd, 'check', 'c.yaml');
    const { sequences, fields } = (await run(cwd, 'data', 'info', 'c.yaml')) as unknown as DataDescription;
    const histories = drawRequests(200, 2).map((request) => eventsBefore(events, request));
    const lengths = histories.map(({ length }) => Math.min(6, length));
    expect(sequences[0]!.lengths.test).toMatchObject({
      max: 6,
      empty: lengths.filter((length) => length === 0).length / 200,
      full: lengths.filter((length) => length === 6).length / 200,
      truncated: histories.filter(({ length }) => length > 6).length / 200,
    });
    // Missing items are out of the vocabulary, which has the ids of candidates and histories in the training set.
    const newest = histories.flatMap((own) => own.slice(-6));
    const unknown = newest.filter(({ item }) => item === '').length / newest.length;
    expect(fields.find(({ name }) => name === 'clicks.log.item')!.unknown.test).toBe(unknown);
    await run(cwd, 'train', 'c.yaml', '--run-dir', 'run', '--no-baseline', '--set', 'training.epochs=1');
    const { importances } = (await run(cwd, 'importance', 'run')) as { importances: { name: string }[] };
    expect(importances.map(({ name }) => name).sort()).toEqual(['clicks', 'item']);
    await run(cwd, 'export', 'run', '--format', 'onnx', '--out', 'model.onnx');
  });

  it('is sorted once for all commands, also for two at once', async () => {
    const cwd = writeLog();
    const cache = join(cwd, '.mtl');
    const sorted = (): readonly string[] => entriesIn(cache).filter((name) => name.startsWith('events.csv.events-'));
    const train = async (runDir: string, ...args: readonly string[]): Promise<unknown> =>
      (await run(cwd, 'train', 'c.yaml', '--run-dir', runDir, '--no-baseline', '--set', 'training.epochs=1', ...args))[
        'metrics'
      ];
    const metrics = await train('run');
    const entries = sorted();
    expect(entries).toHaveLength(1);
    expect(await train('again', '--verify-data')).toEqual(metrics);
    expect((await mtl(cwd, ['data', 'cache', 'c.yaml'])).stdout).toMatch(/sorted events of events\.csv/);
    expect((await mtl(cwd, ['data', 'info', '.'])).stdout).toMatch(/fits .*sorted events of .*events\.csv/);
    expect(sorted()).toEqual(entries);

    await run(cwd, 'data', 'clean', 'c.yaml');
    expect(sorted()).toEqual([]);
    const predicted = (name: string): Promise<unknown> =>
      run(cwd, 'predict', 'run', '--data', 'test.csv', '--out', `${name}.csv`);
    await Promise.all([predicted('a'), predicted('b')]);
    expect(sorted()).toHaveLength(1);
    expect(readdirSync(cache).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    await predicted('c');
    const [a, b, c] = ['a', 'b', 'c'].map((name) => readFileSync(join(cwd, `${name}.csv`), 'utf8'));
    expect([b, c]).toEqual([a, a]);

    // Entries of earlier events are removed.
    writeFileSync(join(cwd, 'events.csv'), eventCsv(events.slice(1)));
    await predicted('d');
    expect(sorted()).toHaveLength(1);
    expect(sorted()).not.toEqual(entries);
  });

  it('leaves no entry that appears complete if a command is killed while it writes', async () => {
    const cwd = writeLog();
    await run(cwd, 'train', 'c.yaml', '--run-dir', 'run', '--no-baseline', '--set', 'training.epochs=1');
    const predict = ['predict', 'run', '--data', 'test.csv', '--out', 'predicted.csv', '--json'];
    expect((await mtl(cwd, predict)).code).toBe(0);
    const expected = readFileSync(join(cwd, 'predicted.csv'), 'utf8');
    const cache = join(cwd, '.mtl');
    rmSync(cache, { recursive: true });
    mkdirSync(cache);
    const child = spawn(process.execPath, [BIN, ...predict], { cwd, stdio: 'ignore' });
    const ended = once(child, 'exit');
    const watcher = watch(cache, (_, name) => {
      if (name?.startsWith('.events.csv.events-') === true) child.kill('SIGKILL');
    });
    expect(await ended).toEqual([null, 'SIGKILL']);
    watcher.close();
    expect((await mtl(cwd, predict)).code).toBe(0);
    expect(readFileSync(join(cwd, 'predicted.csv'), 'utf8')).toBe(expected);
    // The remains of the killed command are removed.
    expect(readdirSync(cache).filter((name) => name.includes('.events-'))).toEqual([
      expect.stringMatching(/^events\.csv\.events-/),
    ]);
  });

  it('resumes with the same events only', async () => {
    const cwd = writeLog();
    const train = async (...args: readonly string[]): Promise<unknown> =>
      (await run(cwd, 'train', ...args, '--no-baseline'))['metrics'];
    const whole = await train('c.yaml', '--run-dir', 'whole', '--set', 'training.epochs=2');
    await train('c.yaml', '--run-dir', 'run', '--set', 'training.epochs=1');
    expect(await train('--resume', 'run', '--set', 'training.epochs=2')).toEqual(whole);
    writeFileSync(join(cwd, 'events.csv'), eventCsv(events.slice(1)));
    const { code, stderr } = await mtl(cwd, ['train', '--resume', 'run', '--set', 'training.epochs=3']);
    expect([code, stderr]).toEqual([3, expect.stringContaining('data.sequences.log: has other rows than at training')]);
  });
});
