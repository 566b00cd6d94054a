/** @module-tag long */
import { cpSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { randomStream } from '../../src/core/random.js';
import { loadModel, predict, train, type LoadOptions, type Row, type TrainOptions } from '../../src/index.js';
import { pointLink } from '../../src/io/links.js';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { listCheckpoints } from '../../src/runs/retention.js';
import { mpirun, needsMpi, OPEN_MPI } from '../support/mpi.js';
import { BIN, mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { serverOfTest } from '../support/served.js';
import { abortAtStep } from '../support/small-run.js';
import {
  dataOf,
  drawLog,
  featuresOf,
  joinedOrder,
  JOIN,
  STATE_CASES,
  withColumns,
  writeExperiment,
  writeLog,
  type LogRow,
  type StateCase,
} from '../support/state-cases.js';
import { gpu, noGpu } from '../support/webgpu.js';

// Each state in each place, against rows that have its columns by their definition: the same numbers must follow.

const { rows, clicks } = drawLog(1280);
const OPTIONS = { device: 'cpu', threads: 1, baseline: false } as const;
const STREAM = { ...OPTIONS, follow: true, untilEnd: true } as const;
const BATCH_ROWS = 32;
/** Places that take longest. Those that stay have a training, a kill, predictions and a warm start of each state. */
const NIGHTLY = { tags: ['nightly'] };

/** Reads what a run has learned. */
async function learned(run: string): Promise<object> {
  const { program, fitted } = await readCheckpoint(join(run, 'checkpoints/last'), { withOptimizer: true });
  const tensors = [...program.weights, ...program.optimizer].map(([name, { data }]) => [name, [...data]]);
  return { step: program.step, tensors: Object.fromEntries(tensors) as object, fitted };
}

/** An experiment of a case: mtl computes the columns, or the log has them. */
interface Experiment {
  readonly config: string;
  /** A directory without a run. */
  readonly run: string;
}

/** Writes a stream and its config. */
function writeStream(features: object, data: object, log: readonly object[], rest: object = {}): Experiment {
  const folder = scratchFolder();
  const config = writeExperiment(folder, { data: { ...data, train: writeLog(folder, 'log', log) }, features, rest });
  return { config, run: join(folder, 'run') };
}

/** Writes files of a training, validation and test set, and their config. */
function writeFiles(features: object, data: object, log: readonly object[]): Experiment {
  const folder = scratchFolder();
  const parts = { train: log.slice(0, 800), valid: log.slice(800, 1000), test: log.slice(1000) };
  const sets = Object.entries(parts).map(([name, part]) => ({ [name]: writeLog(folder, name, part) }));
  const config = writeExperiment(folder, { data: Object.assign({}, data, ...sets) as object, features });
  return { config, run: join(folder, 'run') };
}

/** Requests after the log, in the form of an object with a row, whose columns the state has. */
function requestsOf(state: StateCase, before: readonly LogRow[]): { readonly bare: Row[]; readonly given: Row[] } {
  const at = before.at(-1)!.at + 130;
  const asked = Array.from({ length: 24 }, (_, i): LogRow => ({
    id: `q${i}`,
    at: at + i,
    user: `u${1 + i}`,
    item: `i${i % 12}`,
    click: 0,
  }));
  const toRow = (row: LogRow): Row => ({ ...row, id: null, click: null });
  // A request is no row of the log.
  const given = asked.flatMap((row) => withColumns(state, { rows: [row], among: before }));
  return { bare: asked.map(toRow), given: given.map(toRow) };
}

/** Options of a training that is interrupted at a step. */
function abortOn(step: number): Pick<TrainOptions, 'signal' | 'onStep'> {
  const { signal, on } = abortAtStep(step);
  return { signal, ...on };
}

async function predictRows(path: string, asked: readonly Row[], options: LoadOptions = {}): Promise<readonly number[]> {
  const model = await loadModel(path, options);
  onTestFinished(() => model.dispose());
  return [...model.predict(asked)['ctr']!];
}

describe.each(STATE_CASES)('$name', { timeout: 180_000 }, (state) => {
  const [data, features] = [dataOf(state), featuresOf(state)];
  const given = withColumns(state, { rows });
  const ofStream = (rest?: object): Experiment => writeStream(features, data, rows, rest);
  const ofGivenStream = (rest?: object): Experiment => writeStream(features, {}, given, rest);

  it('of files: training, validation and test', async () => {
    const trainOn = async ({ config, run }: Experiment): Promise<object> => {
      const { metrics } = await train(config, { ...OPTIONS, runDir: run });
      return { ...(await learned(run)), metrics };
    };
    expect(await trainOn(writeFiles(features, data, rows))).toEqual(await trainOn(writeFiles(features, {}, given)));
  });

  it('of files, on several processes', NIGHTLY, async (context) => {
    needsMpi(context, OPEN_MPI);
    const trainOn = async ({ config, run }: Experiment): Promise<object> => {
      const args = ['train', config, '--run-dir', run, '--no-report', '--no-baseline', '--threads', '1'];
      const { code, stderr } = await mpirun(OPEN_MPI, 2, scratchFolder(), [BIN, ...args]);
      expect([code, stderr]).toEqual([0, expect.not.stringContaining('error')]);
      return learned(run);
    };
    expect(await trainOn(writeFiles(features, data, rows))).toEqual(await trainOn(writeFiles(features, {}, given)));
  });

  it('of a stream', async () => {
    const trainOn = async ({ config, run }: Experiment): Promise<object> => {
      await train(config, { ...STREAM, runDir: run });
      return learned(run);
    };
    expect(await trainOn(ofStream())).toEqual(await trainOn(ofGivenStream()));
  });

  it('of joined streams', async () => {
    const folder = scratchFolder();
    writeLog(folder, 'clicks', clicks);
    const unlabeled = rows.map((row) => ({ ...row, click: '' }));
    const own = { ...dataOf(state, 'joinedData'), join: JOIN, train: writeLog(folder, 'log', unlabeled) };
    await train(writeExperiment(folder, { data: own, features }), { ...STREAM, runDir: join(folder, 'run') });
    const joined = joinedOrder(rows, clicks);
    const all = withColumns(state, { rows: joined.rows, among: rows, clickAt: joined.clickAt });
    const other = writeStream(features, {}, all);
    await train(other.config, { ...STREAM, runDir: other.run });
    expect(await learned(join(folder, 'run'))).toEqual(await learned(other.run));
  });

  const averaged = { training: { batchSize: 32, ema: { decay: 0.9 } }, checkpoints: { everySteps: 2 } };
  it.for([
    ['deltas', {}],
    ['averaged weights', averaged],
  ] as const)('of a stream on WebGPU, resumed with %s', NIGHTLY, async ([, rest], { skip }) => {
    if (gpu === undefined) skip(noGpu);
    vi.stubEnv('MTL_WEBGPU_SOFTWARE', '1');
    onTestFinished(() => void vi.unstubAllEnvs());
    const options = { ...STREAM, device: 'webgpu' } as const;
    const [own, whole] = [ofStream(rest), ofGivenStream(rest)];
    for (const step of [8, 11])
      await train(own.config, { ...options, runDir: own.run, resume: 'auto', ...abortOn(step) });
    await train(own.config, { ...options, runDir: own.run, resume: 'auto' });
    await train(whole.config, { ...options, runDir: whole.run });
    expect(await learned(own.run)).toEqual(await learned(whole.run));
  });

  it.each(['deltas', 'full checkpoints'])('in %s: resumed at many steps', NIGHTLY, async (kind) => {
    const rest = kind === 'deltas' ? {} : { checkpoints: { everySteps: 2 } };
    const { config, run } = ofStream(rest);
    const random = randomStream(3, 'steps', kind);
    for (let part = 0; part < 6; part++)
      await train(config, { ...STREAM, runDir: run, resume: 'auto', ...abortOn(1 + random.below(7)) });
    await train(config, { ...STREAM, runDir: run, resume: 'auto' });
    const whole = ofGivenStream(rest);
    await train(whole.config, { ...STREAM, runDir: whole.run });
    expect(await learned(run)).toEqual(await learned(whole.run));
  });

  it('of a stream that ends within batches several times', NIGHTLY, async () => {
    const { config, run } = ofStream();
    for (const end of [450, 701, 701, 1001, rows.length]) {
      writeLog(dirname(config), 'log', rows.slice(0, end));
      await train(config, { ...STREAM, runDir: run, resume: 'auto' });
    }
    const whole = ofGivenStream();
    await train(whole.config, { ...STREAM, runDir: whole.run });
    expect(await learned(run)).toEqual(await learned(whole.run));
  });

  it('in a stream that is killed', async () => {
    const { config, run } = ofStream();
    const args = ['train', config, '--follow', '--until-end', '--no-report', '--run-dir', run, '--resume', 'auto'];
    const cwd = scratchFolder();
    await mtl(cwd, args, (text, kill) => text.includes('engine') && setTimeout(() => kill('SIGKILL'), 150));
    const { code, stderr } = await mtl(cwd, args);
    expect([code, stderr]).toEqual([0, '']);
    const whole = ofGivenStream();
    await train(whole.config, { ...STREAM, runDir: whole.run });
    expect(await learned(run)).toEqual(await learned(whole.run));
  });

  it('of a server that follows a stream by deltas', NIGHTLY, async () => {
    const rest = { checkpoints: { everySteps: 12, delta: { everySteps: 3 }, keepLast: 100 } };
    const [own, other] = [ofStream(rest), ofGivenStream(rest)];
    for (const { config, run } of [own, other]) await train(config, { ...STREAM, runDir: run });
    const served = join(scratchFolder(), 'served');
    const publish = async (name: string): Promise<void> => {
      cpSync(join(own.run, 'checkpoints', name), join(served, 'checkpoints', name), { recursive: true });
      await pointLink(join(served, 'checkpoints', 'last'), name);
    };
    const names = (await listCheckpoints(own.run)).toReversed();
    expect(names.length).toBeGreaterThan(8);
    await publish(names[0]!);
    const server = await serverOfTest({ paths: [served], isLast: true, reloadMs: 20, workers: 2, ignoreAlarms: true });
    for (const name of names) {
      await publish(name);
      const step = Number(/\d+/.exec(name)![0]);
      while (server.models[0]!.version !== String(step)) await wait(5);
      const asked = requestsOf(state, rows.slice(0, step * BATCH_ROWS));
      const answer = await server.app.inject({ method: 'POST', url: '/predict', payload: { rows: asked.bare } });
      const { predictions } = answer.json<{ readonly predictions: readonly { readonly ctr: number }[] }>();
      const expected = await predictRows(join(other.run, 'checkpoints', name), asked.given);
      expect([name, ...predictions.map(({ ctr }) => Math.fround(ctr))]).toEqual([name, ...expected]);
      const [user, ...candidates] = [{ user: 'u2', at: asked.bare[0]!['at']! }, { item: 'i1' }, { item: 'i5' }];
      const ranked = await server.app.inject({ method: 'POST', url: '/predict', payload: { user, candidates } });
      const rowsOfUser = candidates.map((candidate) => ({ ...user, ...candidate }));
      const ofRows = await predictRows(join(own.run, 'checkpoints', name), rowsOfUser);
      const ofRanked = ranked.json<{ readonly predictions: readonly { readonly ctr: number }[] }>().predictions;
      for (const [i, { ctr }] of ofRanked.entries()) expect(ctr).toBeCloseTo(ofRows[i]!, 6);
    }
    expect(server.bugs).toEqual([]);
  });

  it('of a canary of another stream', NIGHTLY, async () => {
    const [own, other] = [ofStream(), ofStream({ seed: 4 })];
    for (const { config, run } of [own, other]) await train(config, { ...STREAM, runDir: run });
    const canary = { kind: 'canary', path: other.run, share: 0.5, keepMs: 60_000 } as const;
    const server = await serverOfTest({ paths: [own.run], names: ['model'], isLast: true, canary, ignoreAlarms: true });
    const { bare } = requestsOf(state, rows);
    const expected: Record<string, readonly number[]> = {
      model: await predictRows(join(own.run, 'checkpoints/last'), bare),
      'model-canary': await predictRows(join(other.run, 'checkpoints/last'), bare),
    };
    expect(expected['model']).not.toEqual(expected['model-canary']);
    const found = new Set<string>();
    for (let i = 0; i < 16; i++) {
      const answer = await server.app.inject({
        method: 'POST',
        url: '/predict',
        payload: { rows: bare },
        headers: { 'x-request-id': `r${i}` },
      });
      const { model, predictions } = answer.json<{ model: string; predictions: { ctr: number }[] }>();
      expect(predictions.map(({ ctr }) => Math.fround(ctr))).toEqual(expected[model]);
      found.add(model);
    }
    expect([...found].sort()).toEqual(['model', 'model-canary']);
  });

  it.each(['f32', 'fp16', 'int8'] as const)('of rows of a model with tables in %s', async (tables) => {
    const [own, other] = [ofStream(), ofGivenStream()];
    for (const { config, run } of [own, other]) await train(config, { ...STREAM, runDir: run });
    const asked = requestsOf(state, rows);
    const found = await predictRows(join(own.run, 'checkpoints/last'), asked.bare, { tables });
    expect(found).toEqual(await predictRows(join(other.run, 'checkpoints/last'), asked.given, { tables }));
  });

  const [first, second] = [rows.slice(0, 640), rows.slice(640)];

  it.each(['files', 'a stream'])('of predicted rows of files after a training on %s', async (place) => {
    const predictAll = async (of: object, log: readonly object[], predicted: readonly object[]): Promise<string> => {
      const { config, run } = writeStream(features, of, log);
      await train(config, { ...(place === 'files' ? OPTIONS : STREAM), runDir: run });
      const folder = scratchFolder();
      const out = join(folder, 'out.csv');
      await predict(join(run, 'checkpoints/last'), {
        data: writeLog(folder, 'later', predicted),
        out,
        device: 'cpu',
        threads: 1,
      });
      return readFileSync(out, 'utf8');
    };
    const found = await predictAll(data, first, second);
    const log = withColumns(state, { rows: first });
    const later = withColumns(state, { rows: second, among: first, continued: rows });
    expect(found).toBe(await predictAll({}, log, later));
  });

  it.each(['files', 'a stream'])('of %s that begin with the weights of a run', async (place) => {
    const options = place === 'files' ? OPTIONS : STREAM;
    const trainBoth = async (of: object, log: readonly object[], later: readonly object[]): Promise<object> => {
      const [day, next] = [writeStream(features, of, log), writeStream(features, of, later)];
      await train(day.config, { ...options, runDir: day.run });
      await train(next.config, { ...options, runDir: next.run, set: [`initFrom.checkpoint=${day.run}`] });
      return learned(next.run);
    };
    const later = withColumns(state, { rows: second, continued: rows });
    expect(await trainBoth(data, first, second)).toEqual(
      await trainBoth({}, withColumns(state, { rows: first }), later),
    );
  });

  it('of a stream, which several processes refuse', NIGHTLY, async (context) => {
    needsMpi(context, OPEN_MPI);
    const { config } = ofStream();
    const { code, stderr } = await mpirun(OPEN_MPI, 2, scratchFolder(), [BIN, 'train', config, '--follow']);
    expect(code).not.toBe(0);
    expect(stderr).toContain('one process');
  });
});
