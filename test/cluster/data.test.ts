/** @module-tag long */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readCheckpoint } from '../../src/runs/checkpoint.js';
import { DAILY_CONFIG, writeDays } from '../support/drifting-days.js';
import { mpirun, needsMpi, OPEN_MPI } from '../support/mpi.js';
import { BIN, mtl } from '../support/mtl.js';
import { scratchFolder } from '../support/scratch.js';

/** Rows per day: one day has nearly all rows, one a single row, one none. */
const ROWS = [20, 1500, 1, 60, 0, 300, 7];
const DAYS = ROWS.map((_, day) => `day-${day}.csv`);

let world: string;
beforeAll(() => {
  world = mkdtempSync(join(tmpdir(), 'mtl-mpi-data-'));
  writeDays(world, ROWS.length, 4);
  for (const [day, rows] of ROWS.entries()) keepRows(join(world, DAYS[day]!), rows);
  writeFileSync(join(world, 'daily.yaml'), DAILY_CONFIG);
});

beforeEach((context) => needsMpi(context, OPEN_MPI));

function keepRows(path: string, rows: number): void {
  const lines = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, `${lines.slice(0, 1 + rows).join('\n')}\n`);
}

/** A large epsilon makes Adam insensitive to rounding of gradients. */
const SETS = [
  'training.epochs=2',
  'training.shardTablesFrom=8',
  'training.optimizer.dense.epsilon=0.001',
  'training.optimizer.embeddings.epsilon=0.001',
];
const trainOn = (files: readonly string[], run: string, ...sets: readonly string[]): string[] => [
  'train',
  join(world, 'daily.yaml'),
  '--no-report',
  '--run-dir',
  run,
  ...[`data.train=[${files.map((file) => resolve(world, file)).join(', ')}]`, ...SETS, ...sets].flatMap((set) => [
    '--set',
    set,
  ]),
];

/** Creates a module that logs the cache writes of each process to a file. */
const TELLING = `data:text/javascript,${encodeURIComponent(`
  import fs from 'node:fs/promises';
  import { appendFileSync } from 'node:fs';
  import { syncBuiltinESMExports } from 'node:module';
  const { rename } = fs;
  const made = process.cwd() + '/made-' + process.env.OMPI_COMM_WORLD_RANK;
  fs.rename = async (from, to) => {
    await rename(from, to);
    if (String(to).includes('cache')) appendFileSync(made, String(to) + String.fromCharCode(10));
  };
  syncBuiltinESMExports();
`)}`;
/** Creates a module that adds an argument to each process, computed from its rank. */
const argumentBy = (expression: string): string =>
  `data:text/javascript,const rank = Number(process.env.OMPI_COMM_WORLD_RANK); process.argv.push('--set', ` +
  `${encodeURIComponent(expression)});`;

/** Lists the logged cache writes of a directory: kind, source and rank. */
function madeIn(cwd: string): readonly { readonly what: string; readonly by: string }[] {
  const made = readdirSync(cwd).filter((name) => name.startsWith('made-'));
  return made.flatMap((name) =>
    readFileSync(join(cwd, name), 'utf8')
      .trim()
      .split('\n')
      .map((path) => ({
        what: basename(path).replace(/^(.+)\.(rows|local|fitted)-.*$/, '$2 $1'),
        by: name.slice('made-'.length),
      })),
  );
}

/** Reads all files of a directory by path, except the index of a cache, which contains times of use. */
function filesOf(folder: string): Readonly<Record<string, string>> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && entry.name !== '.index.jsonl',
  );
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).sort();
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length), readFileSync(path, 'latin1')]));
}

/** Returns the error lines; a live progress line may precede an error, since Open MPI gives rank 0 a terminal. */
const errorsOf = (stderr: string): readonly string[] => stderr.match(/error: [^\r\n]*/g) ?? [];

/** Computes the largest difference between the weights of two runs with equal steps. */
async function distance(cwd: string, one: string, other: string): Promise<number> {
  const [a, b] = await Promise.all(
    [one, other].map((run) => readCheckpoint(join(cwd, run, 'checkpoints', 'last'), { withOptimizer: true })),
  );
  expect(b!.program.step).toBe(a!.program.step);
  let most = 0;
  for (const [name, { data }] of a!.program.weights)
    for (const [i, number] of data.entries())
      most = Math.max(most, Math.abs(number - b!.program.weights.get(name)!.data[i]!));
  return most;
}

/** Trains with several processes that log their cache writes. */
async function trainTogether(
  processes: number,
  cwd: string,
  args: readonly string[],
  ...modules: readonly string[]
): Promise<{ readonly code: number | null; readonly errors: readonly string[] }> {
  const { code, stderr } = await mpirun(OPEN_MPI, processes, cwd, [
    ...[TELLING, ...modules].flatMap((module) => ['--import', module]),
    BIN,
    ...args,
  ]);
  return { code, errors: errorsOf(stderr) };
}

describe('data files of a list', { timeout: 240_000 }, () => {
  it.each([2, 3])('are encoded in parallel by %i processes, with the cache of one process', async (processes) => {
    const cwd = scratchFolder();
    expect((await mtl(cwd, trainOn(DAYS, 'one', `data.cache=${join(cwd, 'cache-one')}`))).code).toBe(0);
    expect(await trainTogether(processes, cwd, trainOn(DAYS, 'more', `data.cache=${join(cwd, 'cache-more')}`))).toEqual(
      { code: 0, errors: [] },
    );

    const made = madeIn(cwd);
    const kinds = ['local', 'rows'];
    expect(made.map(({ what }) => what).sort()).toEqual(
      [`fitted ${basename(world)}`, ...kinds.flatMap((kind) => DAYS.map((day) => `${kind} ${day}`))].sort(),
    );
    for (const kind of kinds)
      expect(new Set(made.flatMap(({ what, by }) => (what.startsWith(kind) ? [by] : []))).size).toBe(processes);
    expect(filesOf(join(cwd, 'cache-more'))).toEqual(filesOf(join(cwd, 'cache-one')));
    // Some files have many more rows than others; all rows count.
    expect(await distance(cwd, 'one', 'more')).toBeLessThan(1e-4);

    // The cache is complete.
    expect(
      await trainTogether(processes, cwd, trainOn(DAYS, 'again', `data.cache=${join(cwd, 'cache-more')}`)),
    ).toEqual({ code: 0, errors: [] });
    expect(madeIn(cwd)).toEqual(made);
  });

  it('have the vocabulary of one process for a cross of tokens, also with one more file', async () => {
    const cwd = scratchFolder();
    const cross = 'features.pairs={ type: cross, fields: [[user, item]], encoding: tokens, width: 4 }';
    const train = (files: readonly string[], run: string, cache: string): string[] =>
      trainOn(files, run, cross, `data.cache=${join(cwd, cache)}`);
    for (const files of [
      ['day-0.csv', 'day-3.csv'],
      ['day-5.csv', 'day-0.csv', 'day-3.csv'],
    ]) {
      const run = String(files.length);
      expect((await mtl(cwd, train(files, `one-${run}`, 'cache-one'))).code).toBe(0);
      expect(await trainTogether(2, cwd, train(files, `more-${run}`, 'cache-more'))).toEqual({ code: 0, errors: [] });
      expect(filesOf(join(cwd, 'cache-more'))).toEqual(filesOf(join(cwd, 'cache-one')));
      expect(await distance(cwd, `one-${run}`, `more-${run}`)).toBeLessThan(1e-4);
    }
    // Raw rows are stored once per file, and encoded again with the larger vocabulary.
    const made = madeIn(cwd).map(({ what }) => what);
    const kinds = [
      ...['0', '3', '5'].map((day) => `local day-${day}.csv`),
      ...['0', '0', '3', '3', '5'].map((day) => `rows day-${day}.csv`),
    ];
    expect(made.filter((what) => !what.startsWith('fitted')).sort()).toEqual(kinds.sort());
  });

  it('are encoded pack by pack if they are many and small', async () => {
    const cwd = scratchFolder();
    const files = Array.from({ length: 120 }, (_, file) =>
      join(cwd, 'logs', `part-${String(file).padStart(4, '0')}.csv`),
    );
    const [header, ...rows] = readFileSync(join(world, DAYS[1]!), 'utf8').split('\n');
    mkdirSync(join(cwd, 'logs'));
    for (const [i, file] of files.entries())
      writeFileSync(file, `${[header, ...rows.slice(2 * i, 2 * i + 2)].join('\n')}\n`);
    const logs = [join(cwd, 'logs')];
    expect((await mtl(cwd, trainOn(logs, 'one', `data.cache=${join(cwd, 'cache-one')}`))).code).toBe(0);
    expect(await trainTogether(2, cwd, trainOn(logs, 'more', `data.cache=${join(cwd, 'cache-more')}`))).toEqual({
      code: 0,
      errors: [],
    });
    const made = madeIn(cwd).filter(({ what }) => what.startsWith('rows part'));
    expect([made.length < 10, new Set(made.map(({ by }) => by)).size]).toEqual([true, 2]);
    expect(filesOf(join(cwd, 'cache-more'))).toEqual(filesOf(join(cwd, 'cache-one')));
  });

  it('are encoded once per cache', async () => {
    const cwd = scratchFolder();
    expect((await mtl(cwd, trainOn(DAYS, 'one', `data.cache=${join(cwd, 'cache-one')}`))).code).toBe(0);
    // Simulates two machines with separate disks.
    expect(
      await trainTogether(
        3,
        cwd,
        trainOn(DAYS, 'more'),
        argumentBy(`'data.cache=${join(cwd, 'cache-of-')}' + (rank % 2)`),
      ),
    ).toEqual({ code: 0, errors: [] });
    const made = madeIn(cwd).map(({ what }) => what);
    expect(made).toHaveLength(2 * (2 * DAYS.length + 1));
    for (const of of [0, 1]) expect(filesOf(join(cwd, `cache-of-${of}`))).toEqual(filesOf(join(cwd, 'cache-one')));
    expect(await distance(cwd, 'one', 'more')).toBeLessThan(1e-4);
  });

  it('are read by one process if there is one file', async () => {
    const cwd = scratchFolder();
    expect((await mtl(cwd, trainOn(['day-1.csv'], 'one', `data.cache=${join(cwd, 'cache-one')}`))).code).toBe(0);
    expect(
      await trainTogether(3, cwd, trainOn(['day-1.csv'], 'more', `data.cache=${join(cwd, 'cache-more')}`)),
    ).toEqual({ code: 0, errors: [] });
    expect(madeIn(cwd)).toEqual([
      { what: 'fitted day-1.csv', by: '0' },
      { what: 'rows day-1.csv', by: '0' },
    ]);
    expect(filesOf(join(cwd, 'cache-more'))).toEqual(filesOf(join(cwd, 'cache-one')));
  });
});

describe('data errors of several processes', { timeout: 240_000 }, () => {
  /** Writes days with invalid rows; two of three processes read one. */
  function withBadRows(folder: string): readonly string[] {
    for (const [day, name] of DAYS.entries()) {
      const text = readFileSync(join(world, name), 'utf8');
      writeFileSync(
        join(folder, name),
        day === 1 || day === 3 || day === 5 ? text.replace(/\n(\d+,item-\d+),[\d.]+,(\d)/, '\n$1,cheap,$2') : text,
      );
    }
    return DAYS.map((name) => join(folder, name));
  }

  it('are reported once, like with one process', async () => {
    const cwd = scratchFolder();
    const files = withBadRows(cwd);
    const alone = await mtl(cwd, trainOn(files, 'one', `data.cache=${join(cwd, 'cache-one')}`));
    expect(alone.stderr).toContain('day-1.csv:2');
    expect(await trainTogether(3, cwd, trainOn(files, 'more', `data.cache=${join(cwd, 'cache-more')}`))).toEqual({
      code: alone.code,
      errors: errorsOf(alone.stderr),
    });
  });

  it.each([
    ['more invalid rows than maxRejects', 2],
    ['as many invalid rows as maxRejects', 3],
  ])('are handled like with one process: %s', async (_, most) => {
    const cwd = scratchFolder();
    const files = withBadRows(cwd);
    const sets = ['data.onBadRow=skip', `data.maxRejects=${most}`];
    const alone = await mtl(cwd, trainOn(files, 'runs/of', `data.cache=${join(cwd, 'cache-one')}`, ...sets));
    const rejects = readFileSync(join(cwd, 'runs/of/rejects.csv'), 'utf8');
    expect(rejects.trim().split('\n')).toHaveLength(1 + 3);
    rmSync(join(cwd, 'runs'), { recursive: true });
    expect(
      await trainTogether(3, cwd, trainOn(files, 'runs/of', `data.cache=${join(cwd, 'cache-more')}`, ...sets)),
    ).toEqual({ code: alone.code, errors: errorsOf(alone.stderr) });
    expect(readFileSync(join(cwd, 'runs/of/rejects.csv'), 'utf8')).toBe(rejects);
  });

  it.each([
    ['an invalid config', ['model.name=emms'], ['emms']],
    ['a missing column', ['features.user.fields=[usr]'], DAYS],
    ['a loss that several processes do not support', ['tasks.ctr.loss=pairwise'], ['tasks.ctr.loss']],
  ])('are reported once: %s', async (_, sets, expected) => {
    const cwd = scratchFolder();
    const { code, errors } = await trainTogether(
      3,
      cwd,
      trainOn(DAYS, 'more', `data.cache=${join(cwd, 'cache')}`, ...sets),
    );
    expect(code).not.toBe(0);
    expect(errors).toEqual(expected.map((part) => expect.stringContaining(part) as unknown));
  });

  it('include different files on one rank', async () => {
    const cwd = scratchFolder();
    const { code, errors } = await trainTogether(
      3,
      cwd,
      trainOn(DAYS, 'more', `data.cache=${join(cwd, 'cache')}`),
      argumentBy(
        `'data.train=[' + (rank === 2 ? '' : '${join(world, 'day-0.csv')}, ') + '${join(world, 'day-1.csv')}, ` +
          `${join(world, 'day-5.csv')}]'`,
      ),
    );
    expect(code).not.toBe(0);
    expect(errors).toEqual([
      expect.stringMatching(
        /process 2 reads different files here than process 0: names or sizes differ; put the same data under the same paths on every machine/,
      ),
    ]);
  });
});
