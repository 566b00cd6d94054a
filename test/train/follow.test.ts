/** @module-tag long */
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { StreamWindow } from '../../src/training/observer.js';
import { readChain } from '../../src/runs/delta.js';
import { checkpointOf } from '../support/delta-runs.js';
import { eventFiles, streamTrace, StreamWriter, writeStreamConfig } from '../support/event-stream.js';
import { describeRun } from '../../src/runs/run-list.js';
import { BIN, mtl } from '../support/mtl.js';
import { writeCountedStream } from '../support/counted-stream.js';
import { HISTORY_CONFIG, historyRecords, writeHistoryStream } from '../support/history-stream.js';
import { scratchFolder } from '../support/scratch.js';
import { abortAtStep, trainSmall, type SmallRun } from '../support/small-run.js';

const FILES = eventFiles(2, 700);

/** Writes the stream and its config; returns the config. */
function writeStream(folder: string, files = FILES): string {
  const config = writeStreamConfig(folder);
  new StreamWriter(join(folder, 'log'), files).finish();
  return config;
}

/** Writes the stream and its config with counters, histories and a vocabulary that grows; returns the config. */
function writeGrowing(folder: string): string {
  const config = writeStream(folder);
  const text = readFileSync(config, 'utf8');
  writeFileSync(
    config,
    text
      .replace('maxLate: 1h }', `maxLate: 1h }${STATES}`)
      .replace('features:', `features:${STATE_FEATURES}`)
      .replace('encoding: tokens', 'encoding: { name: tokens, capacity: 60, admit: { count: 2 } }'),
  );
  return config;
}

const STATES = `
  counters: { time: time, format: seconds, tolerance: 10s, count: { clicks: { by: item, of: click, within: 5m } } }
  sequences: { clicks: { of: click, key: user, time: time, until: time } }`;
const STATE_FEATURES = `
  recent: { type: numeric, fields: [clicks], scaling: standard }
  history: { type: sequence, fields: [{ name: clicks.item, target: item }], encoder: pooling }`;

/** Trains on the stream in this process. */
const follow = (config: string, runDir: string, options: SmallRun = {}): ReturnType<typeof trainSmall> =>
  trainSmall(config, { follow: true, untilEnd: true, runDir, ...options });

describe('training on a stream', () => {
  it('ends after the last whole batch, and continues when records arrive', { timeout: 60_000 }, async () => {
    const folder = scratchFolder();
    const config = writeStream(folder);
    const windows: StreamWindow[] = [];
    const run = join(folder, 'runs', 'stream');
    const { end, steps, rejectedRows } = await follow(config, run, { on: { onWindow: (w) => windows.push(w) } });
    const rejects = readFileSync(join(run, 'rejects.csv'), 'utf8').trimEnd().split('\n').length - 1;
    expect([end, rejectedRows]).toEqual(['finished', rejects]);
    expect(steps).toBe(Math.floor((1400 - rejects) / 64));
    expect(windows.map(({ window, rows }) => [window, rows])).toEqual([[1, 900]]);
    const [{ records, elapsedMs }] = windows as [StreamWindow];
    expect(describeRun(run, Date.now())).toMatchObject({ epochs: null, records });
    const listed = await mtl(folder, ['runs']);
    expect(listed.stdout).toMatch(new RegExp(`epochs or records.*\\n.*stream .*\\b${records} records +[\\d.]+ m?s`));
    expect(elapsedMs).toBeGreaterThan(0);
    new StreamWriter(join(folder, 'log'), eventFiles(4, 700).slice(2)).finish();
    await follow(config, run, { resume: run, runDir: undefined });
    await follow(config, join(folder, 'whole'));
    expect(await streamTrace(run)).toEqual(await streamTrace(join(folder, 'whole')));
  });

  it.each([
    ['delta', ['checkpoints.everySteps=null', 'checkpoints.delta.everySteps=1']],
    ['full', ['checkpoints.everySteps=1', 'checkpoints.delta.everySteps=1']],
  ] as const)(
    'saves a %s checkpoint first when it resumes, with the state of an uninterrupted run',
    { timeout: 60_000 },
    async (kind, first) => {
      const folder = scratchFolder();
      const config = writeGrowing(folder);
      const set = ['checkpoints.everySteps=null', 'checkpoints.delta.everySteps=1', 'checkpoints.keepLast=50'];
      const [run, whole] = [join(folder, 'run'), join(folder, 'whole')];
      const { steps } = await follow(config, whole, { set });
      const before = steps - 3;
      const countDeltas = async (step: number): Promise<number> =>
        (await readChain(checkpointOf(run, step))).deltas.length;
      await follow(config, run, { set, ...abortAtStep(before) });
      await follow(config, run, { set: [...set, ...first], resume: run, runDir: undefined, ...abortAtStep(1) });
      expect(await countDeltas(before + 1)).toBe(kind === 'delta' ? (await countDeltas(before)) + 1 : 0);
      await follow(config, run, { set, resume: run, runDir: undefined });
      expect(await streamTrace(run)).toEqual(await streamTrace(whole));
    },
  );

  it('saves when a signal ends its wait, and resumes', { timeout: 60_000 }, async () => {
    const folder = scratchFolder();
    const config = writeStream(folder);
    const run = join(folder, 'run');
    const controller = new AbortController();
    let rows = 0;
    const ended = follow(config, run, {
      untilEnd: false,
      signal: controller.signal,
      on: {
        onStep: (progress) => {
          ({ rows } = progress);
          if (rows === 64 * 20) setTimeout(() => controller.abort(new Error('enough')), 300);
        },
      },
    });
    expect((await ended).end).toBe('interrupted');
    await follow(config, run, { resume: run, runDir: undefined });
    await follow(config, join(folder, 'whole'));
    expect(await streamTrace(run)).toEqual(await streamTrace(join(folder, 'whole')));
  });

  it.each([
    ['labels', writeStream, []],
    ['counters', writeCountedStream, ['data.follow.fitRows=250']],
    ['histories', (folder: string) => writeHistoryStream(folder, HISTORY_CONFIG, historyRecords(1500)), []],
  ] as const)(
    'saves within a batch if no record arrives, and gives the state of a replay: %s',
    { timeout: 120_000 },
    async (_, write, settings) => {
      const folder = scratchFolder();
      const config = write(folder);
      const run = join(folder, 'run');
      const set = [...settings, 'checkpoints={ everySteps: 1000000 }'];
      const log = join(folder, 'log', readdirSync(join(folder, 'log')).sort().at(-1)!);
      const text = readFileSync(log);
      // The end of a batch is elsewhere.
      writeFileSync(log, text.subarray(0, 0.7 * text.length));
      const { steps: steps1 } = await follow(config, join(folder, 'part'), { set });
      const controller = new AbortController();
      const ended = follow(config, run, { untilEnd: false, set, signal: controller.signal });
      const savedStep = (): number | undefined => {
        const path = join(run, 'checkpoints', 'last', 'state.json');
        if (!existsSync(path)) return undefined;
        return (JSON.parse(readFileSync(path, 'utf8')) as { sections: { loop: { step: number } } }).sections.loop.step;
      };
      await expect.poll(savedStep, { timeout: 50_000, interval: 50 }).toBe(steps1);
      appendFileSync(log, text.subarray(0.7 * text.length));
      const { steps } = await follow(config, join(folder, 'whole'), { set });
      expect(steps).toBeGreaterThan(steps1);
      await expect.poll(savedStep, { timeout: 50_000, interval: 50 }).toBe(steps);
      controller.abort(new Error('enough'));
      expect((await ended).end).toBe('interrupted');
      await follow(config, run, { resume: run, runDir: undefined, set });
      expect(await streamTrace(run)).toEqual(await streamTrace(join(folder, 'whole')));
    },
  );

  it('reads standard input as a file, and skips what it was trained on', { timeout: 120_000 }, async () => {
    const folder = scratchFolder();
    writeStream(folder);
    const text = FILES.map((file) => file.text).join('');
    const pipe = (input: string, args: readonly string[]): Promise<readonly [number | null, string]> =>
      new Promise((resolve) => {
        const command = ['train', 'stream.yaml', '--set=data.train=-', '--follow', '--until-end', '--no-report'];
        const child = spawn(process.execPath, [BIN, ...command, ...args], { cwd: folder });
        let stderr = '';
        child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
        child.on('close', (code) => resolve([code, stderr]));
        child.stdin.end(input);
      });
    expect(await pipe(text, ['--run-dir', 'whole'])).toEqual([0, '']);
    const cut = Math.floor(0.7 * text.length);
    expect(await pipe(text.slice(0, cut), ['--run-dir', 'piped'])).toEqual([0, '']);
    expect(await pipe(text, ['--resume', 'piped'])).toEqual([0, '']);
    expect(await streamTrace(join(folder, 'piped'))).toEqual(await streamTrace(join(folder, 'whole')));
    const [code, stderr] = await pipe(text.slice(0, text.length / 2), ['--resume', 'piped']);
    expect([code, stderr]).toEqual([3, expect.stringContaining('changed after it was read')]);
  });

  it('takes what is fitted from the run that it starts from', { timeout: 60_000 }, async () => {
    const folder = scratchFolder();
    const config = writeStream(folder);
    const first = join(folder, 'first');
    await follow(config, first);
    // Fewer records than data.follow.fitRows, of which a new run would wait for more.
    writeFileSync(join(folder, 'log', 'part-0.jsonl'), FILES[0]!.text.split('\n').slice(0, 100).join('\n'));
    const next = join(folder, 'next');
    const fittedOf = (run: string): string => readFileSync(join(run, 'checkpoints/last/features.json'), 'utf8');
    const { steps } = await follow(config, next, { set: [`initFrom.checkpoint=${first}`] });
    expect(steps).toBeGreaterThan(5);
    expect(fittedOf(next)).toBe(fittedOf(first));
  });

  it('stops if too many records of a window are invalid, and lists them', { timeout: 60_000 }, async () => {
    const folder = scratchFolder();
    const config = writeStream(folder);
    appendFileSync(join(folder, 'log', 'part-1.jsonl'), '{}\n'.repeat(60));
    const run = join(folder, 'run');
    await expect(follow(config, run)).rejects.toThrow(
      /part-1\.jsonl:7\d\d: .*invalid record 46 of a window exceeds data\.follow\.maxRejects; all are in .*rejects\.csv/s,
    );
    expect(readFileSync(join(run, 'rejects.csv'), 'utf8')).toContain('part-1.jsonl');
  });

  it.each([
    [{ set: ['data.negativeSampling={ rate: 0.5 }'] }, 'data.negativeSampling: numbers the rows of whole files'],
    [
      { set: ['data.sequences.events={ file: log, key: user, time: time, until: time }'], untilEnd: false },
      'data.sequences.events: is read once, before training',
    ],
    [
      {
        set: [
          'data.join={ key: user, time: time, events: { click: { file: log, within: 1h } } }',
          'data.counters={ time: time, count: { shows: { by: item, within: 1d } } }',
        ],
      },
      'data.counters.tolerance: is shorter than the time that a row waits for its events',
    ],
    [{ set: ['training.schedule={ name: cosine }'] }, 'training.schedule: depends on the length of training'],
  ] as const)('refuses what requires all rows: %j', async (options, message) => {
    const folder = scratchFolder();
    await expect(follow(writeStream(folder), join(folder, 'run'), options)).rejects.toThrow(message);
  });

  it('refuses to resume a stream without --follow', { timeout: 60_000 }, async () => {
    const folder = scratchFolder();
    const config = writeStream(folder);
    const run = join(folder, 'run');
    await follow(config, run);
    await expect(trainSmall(config, { resume: run })).rejects.toThrow('was trained on a stream; add --follow');
  });

  it('releases the lock of a run of files that it refuses to resume', { timeout: 60_000 }, async () => {
    const folder = scratchFolder();
    const config = writeStream(folder);
    const run = join(folder, 'run');
    const set = ['data.onBadRow=skip'];
    await trainSmall(config, { runDir: run, set });
    const resumed = follow(config, run, { resume: run, runDir: undefined, set });
    await expect(resumed).rejects.toThrow('was not trained on a stream');
    expect(existsSync(join(run, 'run.lock'))).toBe(false);
  });
});
