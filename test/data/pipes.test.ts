/** @module-tag long */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { DataStream } from '../../src/data/readers/data-stream.js';
import { evaluate } from '../../src/evaluate.js';
import { BIN } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

// Rows from pipes and standard input, against the same rows from files.

const hasPipes = spawnSync('mkfifo', ['--version']).error === undefined;
if (!hasPipes) console.warn('tests of named pipes are skipped: there is no mkfifo command');

/** A directory with small data, and a cache for streams. */
async function world(): Promise<string> {
  const folder = scratchFolder();
  await smallWorld(folder);
  mkdirSync(join(folder, 'cache'));
  return folder;
}

let numPipes = 0;

/** Creates a named pipe and writes bytes to it in the background; returns its path. */
function pipeOf(folder: string, bytes: Uint8Array | string): string {
  const path = join(folder, `pipe-${++numPipes}`);
  execFileSync('mkfifo', [path]);
  const writer = spawn('sh', ['-c', 'cat > "$0"', path], { stdio: ['pipe', 'ignore', 'ignore'] });
  writer.stdin.on('error', () => undefined).end(bytes);
  onTestFinished(() => void writer.kill());
  return path;
}

/** Trains in this process with one epoch, and the cache of `world`. */
async function trained(folder: string, name: string, ...set: string[]): Promise<string> {
  const run = join(folder, name);
  const all = ['training.epochs=1', `data.cache=${join(folder, 'cache')}`, ...set];
  await trainSmall(join(folder, 'esmm.yaml'), { runDir: run, set: all });
  return run;
}

/** Returns the weights and metrics of a run. */
function resultOf(run: string): readonly [weights: string, metrics: string] {
  return [
    readFileSync(join(run, 'checkpoints/last/weights.safetensors'), 'latin1'),
    readFileSync(join(run, 'results.csv'), 'utf8').replaceAll(/^[^,]*,/gm, ''),
  ];
}

/** Returns the entries of streams in the cache of `world`, and what is left of unfinished ones. */
const streamsIn = (folder: string): readonly string[] =>
  readdirSync(join(folder, 'cache')).filter((name) => name.includes('stream'));

/** Runs the command with standard input. */
function mtl(
  folder: string,
  args: readonly string[],
  input: Uint8Array | string | undefined,
): { readonly status: number | null; readonly stderr: string } {
  return spawnSync(process.execPath, [BIN, ...args, '--device', 'cpu'], {
    cwd: folder,
    encoding: 'utf8',
    ...(input === undefined ? { stdio: ['ignore', 'ignore', 'pipe'] } : { input }),
  });
}

describe.skipIf(!hasPipes)('a named pipe', () => {
  it('trains, evaluates and resumes like a file with the same bytes', async () => {
    const folder = await world();
    const csv = readFileSync(join(folder, 'train.csv'));
    const file = await trained(folder, 'file');
    const piped = await trained(folder, 'piped', `data.train=${pipeOf(folder, csv)}`);
    expect(resultOf(piped)).toEqual(resultOf(file));
    const zipped = await trained(folder, 'zipped', `data.train=${pipeOf(folder, gzipSync(csv))}`);
    expect(resultOf(zipped)).toEqual(resultOf(file));
    const parts = [csv, csv.subarray(0, 20_000)].map((bytes) => Buffer.from(bytes));
    parts[1] = parts[1]!.subarray(0, parts[1]!.lastIndexOf(10) + 1);
    parts.forEach((part, i) => writeFileSync(join(folder, `part-${i}.csv`), part));
    const files = await trained(folder, 'files', 'data.train=[part-0.csv, part-1.csv]');
    const pipes = await trained(folder, 'pipes', `data.train=[${parts.map((each) => pipeOf(folder, each)).join(',')}]`);
    expect(resultOf(pipes)).toEqual(resultOf(files));

    const options = { path: file, device: 'cpu' as const, threads: 1, onWarning: () => undefined };
    const { signal } = new AbortController();
    const { metrics } = await evaluate({ ...options, signal, data: join(folder, 'test.csv') });
    const test = pipeOf(folder, readFileSync(join(folder, 'test.csv')));
    expect((await evaluate({ ...options, signal, data: test })).metrics).toEqual(metrics);
  }, 200_000);

  it('is divided by fractions, filtered and sampled like a file, with its invalid rows', async () => {
    const folder = await world();
    const [header, ...rows] = readFileSync(join(folder, 'train.csv'), 'utf8').trimEnd().split('\n');
    rows[300] = rows[300]!.replace(/^\d/, 'oops');
    rows[899] = '1,2';
    const csv = [header, ...rows, ''].join('\n');
    writeFileSync(join(folder, 'all.csv'), csv);
    const set = [
      'data.train=null',
      'data.valid=null',
      'data.test=null',
      'data.split={by: random, shares: {valid: 0.2, test: 0.1}}',
      'data.where={not: {column: "121", equals: 3}}',
      'data.negativeSampling={rate: 0.5}',
      'checkpoints.bestBy=null',
      'data.onBadRow=skip',
    ];
    const file = await trained(folder, 'file', ...set, 'data.source=all.csv');
    const path = pipeOf(folder, csv);
    const piped = await trained(folder, 'piped', ...set, `data.source=${path}`);
    expect(resultOf(piped)).toEqual(resultOf(file));
    const rejects = (run: string): string => readFileSync(join(run, 'rejects.csv'), 'utf8');
    expect(rejects(piped)).toBe(rejects(file).replaceAll(join(folder, 'all.csv'), path));
    expect(rejects(piped)).toContain(`${path},302,`);
  }, 200_000);

  it('with the same bytes as an earlier one shares its cache entry', async () => {
    const folder = await world();
    const csv = readFileSync(join(folder, 'train.csv'));
    await trained(folder, 'first', `data.train=${pipeOf(folder, csv)}`);
    const [entry, ...others] = streamsIn(folder);
    expect(others).toEqual([]);
    await trained(folder, 'second', `data.train=${pipeOf(folder, csv)}`);
    expect(streamsIn(folder)).toEqual([entry]);
  }, 100_000);

  it.each([
    [
      'a late invalid row',
      (csv: Buffer) => Buffer.concat([csv, Buffer.from('0,x,1\n')]),
      /pipe-\d+:902: expected 33 values as in the header, found 3; correct the row/,
    ],
    ['truncated gzip', (csv: Buffer) => gzipSync(csv).subarray(0, -9), /pipe-\d+:\d+: is truncated: the gzip data/],
    ['no bytes', () => Buffer.alloc(0), /pipe-\d+: data.train: is empty; expected a header/],
    [
      'Parquet',
      () => Buffer.from('PAR1\x15\x04\x15\x20'),
      /is Parquet, whose footer is at its end; .*save it to a file/,
    ],
  ])('with %s is rejected and leaves nothing in the cache', async (_, make, message) => {
    const folder = await world();
    const path = pipeOf(folder, make(readFileSync(join(folder, 'train.csv'))));
    await expect(trained(folder, 'run', `data.train=${path}`)).rejects.toThrow(message);
    expect(streamsIn(folder)).toEqual([]);
    expect(existsSync(join(folder, 'run'))).toBe(false);
  });

  it('ends the process on SIGINT while no writer comes', async () => {
    const folder = await world();
    execFileSync('mkfifo', [join(folder, 'idle')]);
    const set = ['--set', 'data.train=idle', '--set', 'runs=runs', '--device', 'cpu'];
    const child = spawn(process.execPath, [BIN, 'train', 'esmm.yaml', ...set], { cwd: folder });
    const exit = new Promise((resolve) => child.on('exit', resolve));
    // A writer can open the pipe once the command has opened it.
    const writer = createWriteStream(join(folder, 'idle'));
    await new Promise((resolve) => writer.on('open', resolve));
    child.kill('SIGINT');
    expect(await exit).toBe(130);
    writer.destroy();
    expect(existsSync(join(folder, 'runs'))).toBe(false);
  }, 60_000);
});

describe('standard input', () => {
  it('trains and resumes like a file, and from the cache if it is not piped again', async () => {
    const folder = await world();
    const zipped = gzipSync(readFileSync(join(folder, 'train.csv')));
    const file = await trained(folder, 'file');
    const set = [
      '--set',
      'training.epochs=1',
      '--set',
      'data.train=-',
      '--set',
      'data.cache=cache',
      '--run-dir',
      'piped',
    ];
    expect(mtl(folder, ['train', 'esmm.yaml', ...set], zipped)).toMatchObject({ status: 0 });
    const piped = join(folder, 'piped');
    expect(resultOf(piped)).toEqual(resultOf(file));

    const resume = (epochs: number, input?: Uint8Array): ReturnType<typeof mtl> =>
      mtl(folder, ['train', '--resume', 'piped', '--set', `training.epochs=${epochs}`], input);
    expect(resume(2)).toMatchObject({ status: 0 });
    await trainSmall(join(file, 'config.resolved.yaml'), { resume: file, set: ['training.epochs=2'] });
    expect(resultOf(piped)[0]).toBe(resultOf(file)[0]);

    rmSync(join(folder, 'cache'), { recursive: true });
    const { status, stderr } = resume(3);
    expect([status, stderr]).toEqual([
      3,
      expect.stringContaining(
        '-: data.train: is a stream that cannot be read again, and its rows are no longer in the cache; pass the ' +
          'same data: --set data.train=FILE',
      ),
    ]);
    expect(resume(3, zipped.subarray(1)).status).toBe(3);
    expect(resume(3, zipped)).toMatchObject({ status: 0 });
  }, 300_000);

  it('is rejected if it is a device, or used twice', async () => {
    const folder = await world();
    expect(mtl(folder, ['train', 'esmm.yaml', '--set', 'data.train=-'], undefined)).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('standard input is a device; expected a pipe or a file') as string,
    });
    const twice = ['--set', 'data.train=-', '--set', 'data.valid=-'];
    expect(mtl(folder, ['train', 'esmm.yaml', ...twice], 'a,b\n')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining(
        'data.valid: is the same stream as data.train, -, which can be read only once; divide it with data.source',
      ) as string,
    });
  }, 100_000);

  it('is checked like a file', async () => {
    const folder = await world();
    const csv = readFileSync(join(folder, 'train.csv'));
    expect(mtl(folder, ['check', 'esmm.yaml', '--set', 'data.train=-'], csv)).toMatchObject({ status: 0 });
  }, 60_000);
});

describe('a stream', () => {
  it('is read no further than requested', async () => {
    let numRead = 0;
    const input = Readable.from(
      (function* () {
        for (; numRead < 1000; numRead++) yield Buffer.alloc(1000);
      })(),
      { highWaterMark: 4 },
    );
    const stream = new DataStream('-', input);
    for await (const bytes of stream.peek()) {
      expect(bytes).toHaveLength(1000);
      break;
    }
    await new Promise(setImmediate);
    expect(numRead).toBeLessThan(20);
    let length = 0;
    for await (const bytes of stream.read()) length += bytes.length;
    expect(length).toBe(1e6);
  });

  it('yields its bytes in order after readers that were abandoned within a request', async () => {
    const input = new Readable({ objectMode: true, read: () => undefined });
    const stream = new DataStream('-', input);
    const abandoned = stream.peek();
    const pending = abandoned.next();
    void abandoned.return(undefined);
    const other = stream.peek();
    const first = other.next();
    for (const text of ['a', 'b', 'c']) input.push(Buffer.from(text));
    input.push(null);
    expect([(await pending).value, (await first).value].map(String)).toEqual(['a', 'a']);
    let text = '';
    for await (const bytes of stream.read()) text += bytes.toString();
    expect(text).toBe('abc');
  });
});
