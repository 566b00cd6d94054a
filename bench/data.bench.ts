// Read throughput of CSV, gzip, Parquet and shards (rows/s and MB/s), interleaved with pandas.read_csv; mtl train
// compared with its engine alone; startup with many cached files (5 minutes).
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  createReadStream,
  createWriteStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { parquetWriteFile } from 'hyparquet-writer';
import { it } from 'vitest';
import { randomStream } from '../src/core/random.js';
import { count, median, printTable, saveResults } from './results.js';

const root = join(import.meta.dirname, '..');
const ROWS = 1_000_000;
const threads = availableParallelism();
/** CSV and pandas are interleaved, since the speed of a virtual machine drifts. */
const ROUNDS = 5;
/** Size of the long CSV as a multiple of the short one. */
const TIMES = 5;
const PARQUET_ROWS = 200_000;
const LISTS = ['a', 'b', 'c', 'd'];
const LIST_ITEMS = 20;
const CONFIG = join(root, 'configs', 'esmm.yaml');
const NUMBERS =
  '{type: numeric, fields: [D109_14, D110_14, D127_14, D150_14, D508, D509, D702, D853], scaling: standard}';

interface Measured {
  readonly rows: number;
  readonly ms: number;
  readonly peakMB: number;
  /** CPU time of the process. */
  readonly cpuMs: number;
}

/** Runs a measurement in a process of its own. */
function measure(what: string, sets: readonly string[], config = CONFIG): Measured {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [join(import.meta.dirname, 'data-child.js'), what, config, ...sets],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`${what}: ${stderr}`);
  return JSON.parse(stdout) as Measured;
}

/** Measures pandas.read_csv on the same file; returns the reason if it cannot run. */
function pandas(path: string): Measured | string {
  const python = process.env['MTL_PYTHON'] ?? 'python3';
  const script = [
    'import json, resource, sys, time, pandas',
    'start = time.perf_counter()',
    'rows = len(pandas.read_csv(sys.argv[1]))',
    'print(json.dumps(dict(rows=rows, ms=1000 * (time.perf_counter() - start), ' +
      'cpuMs=1000 * time.process_time(), peakMB=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)))',
  ];
  const { stdout, stderr, status, error } = spawnSync(python, ['-c', script.join('\n'), path], { encoding: 'utf8' });
  if (error !== undefined || status !== 0)
    return (
      `pandas left out: ${python} ` +
      `${error === undefined ? (stderr.trim().split('\n').at(-1) ?? '') : 'does not start'}; ` +
      'MTL_PYTHON names another'
    );
  return JSON.parse(stdout) as Measured;
}

/** Writes a CSV that repeats the rows of another. */
function writeLong(csv: string, path: string): void {
  const bytes = readFileSync(csv);
  const rows = bytes.subarray(bytes.indexOf('\n') + 1);
  writeFileSync(path, bytes);
  for (let time = 1; time < TIMES; time++) appendFileSync(path, rows);
}

const speedOf = ({ rows, ms }: Measured): number => (1000 * rows) / ms;

/** Returns the round of median speed. */
function middle(rounds: readonly Measured[]): Measured {
  const speed = median(rounds.map(speedOf));
  return rounds.find((round) => speedOf(round) === speed)!;
}

/** Writes the first rows of the CSV as Parquet with snappy compression, as Spark does. */
function writeParquet(csv: string, path: string): void {
  const [header, ...lines] = readFileSync(csv, 'utf8')
    .split('\n', PARQUET_ROWS + 1)
    .map((line) => line.split(','));
  const isNumber = (name: string): boolean => name.startsWith('D');
  const columnData = header!.map((name, c) =>
    isNumber(name)
      ? { name, type: 'DOUBLE' as const, data: Float64Array.from(lines, (cells) => Number(cells[c])) }
      : { name, type: 'INT32' as const, data: Int32Array.from(lines, (cells) => Number(cells[c])) },
  );
  parquetWriteFile({ filename: path, columnData });
}

/** Writes rows with lists as one row group, as pyarrow writes a million rows. */
function writeLists(path: string): void {
  const list = Array.from({ length: LIST_ITEMS }, (_, i) => 1000 * i);
  const schema = [
    { name: 'root', num_children: 2 + LISTS.length },
    ...['click', 'purchase'].map((name) => ({ name, type: 'INT32' as const, repetition_type: 'REQUIRED' as const })),
    ...LISTS.flatMap((name) => [
      { name, repetition_type: 'OPTIONAL' as const, num_children: 1, converted_type: 'LIST' as const },
      { name: 'list', repetition_type: 'REPEATED' as const, num_children: 1 },
      { name: 'element', type: 'INT32' as const, repetition_type: 'REQUIRED' as const },
    ]),
  ];
  const columnData = [
    ...['click', 'purchase'].map((name) => ({
      name,
      data: Int32Array.from({ length: PARQUET_ROWS }, (_, r) => r % 2),
    })),
    ...LISTS.map((name) => ({ name, data: new Array<number[]>(PARQUET_ROWS).fill(list) })),
  ];
  parquetWriteFile({ filename: path, columnData, schema, rowGroupSize: PARQUET_ROWS });
}

it('data', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-bench-data-'));
  try {
    const csv = join(folder, 'train.csv');
    spawnSync(
      process.execPath,
      [
        join(root, 'bin', 'mtl.js'),
        'synth',
        folder,
        '--preset',
        'ali-ccp',
        '--train',
        String(ROWS),
        '--valid',
        '1000',
        '--test',
        '1000',
      ],
      { stdio: 'ignore' },
    );
    await pipeline(createReadStream(csv), createGzip({ level: 6 }), createWriteStream(`${csv}.gz`));
    const parquet = join(folder, 'train.parquet');
    writeParquet(csv, parquet);

    const setsFor = (path: string, cache: string): string[] => [
      `data.train=${path}`,
      `data.valid=${join(folder, 'valid.csv')}`,
      'data.test=null',
      `data.cache=${join(folder, cache)}`,
      `features.numbers=${NUMBERS}`,
      'features.crosses=null',
      'training.batchSize=1024',
      'training.epochs=3',
      'training.earlyStopping=null',
    ];
    const rows: Record<string, string>[] = [];
    const results: Record<string, Measured> = {};
    const add = (name: string, bytes: number, measured: Measured, ratio?: number): void => {
      results[name] = measured;
      rows.push({
        what: name,
        'rows/s': count(speedOf(measured)),
        'MB/s': bytes === 0 ? '' : count(bytes / 1000 / measured.ms),
        'peak MB': count(measured.peakMB),
        'to pandas': ratio?.toFixed(2) ?? '',
      });
    };
    const long = join(folder, 'long.csv');
    writeLong(csv, long);
    for (const [name, path] of [
      ['CSV', csv],
      [`CSV of ${count(TIMES * ROWS)} rows`, long],
    ] as const) {
      const ours = (what: string): Measured => {
        const measured = measure(what, setsFor(path, 'cache-turns'));
        rmSync(join(folder, 'cache-turns'), { recursive: true });
        return measured;
      };
      const rounds = Array.from({ length: ROUNDS }, () => ({
        peer: pandas(path),
        one: ours('encode'),
        all: ours('encodeThreaded'),
      }));
      const peers = rounds.flatMap(({ peer }) => (typeof peer === 'string' ? [] : [peer]));
      if (peers.length < ROUNDS) console.log(rounds.map(({ peer }) => peer).find((peer) => typeof peer === 'string'));
      else add(`pandas read_csv, ${name}`, statSync(path).size, middle(peers));
      for (const [what, of] of [
        ['one', '1 thread'],
        ['all', `${threads} threads`],
      ] as const) {
        const ratios =
          peers.length < ROUNDS
            ? undefined
            : median(rounds.map((round, i) => speedOf(round[what]) / speedOf(peers[i]!)));
        add(`${name} to shards, ${of}`, statSync(path).size, middle(rounds.map((round) => round[what])), ratios);
      }
    }
    for (const [name, path] of [
      ['CSV in gzip to shards', `${csv}.gz`],
      ['Parquet to shards', parquet],
    ] as const)
      add(name, statSync(path).size, measure('encode', setsFor(path, `cache-${name}`)));
    add(
      'CSV to shards, with the cross of the config',
      statSync(csv).size,
      measure(
        'encode',
        setsFor(csv, 'cache-cross').filter((set) => set !== 'features.crosses=null'),
      ),
    );
    const lists = join(folder, 'lists.parquet');
    writeLists(lists);
    add(
      `Parquet, ${LISTS.length} lists of ${LIST_ITEMS} ids, one row group`,
      statSync(lists).size,
      measure('encode', [
        ...setsFor(lists, 'cache-lists'),
        `features={lists: {type: bag, fields: [${LISTS.join(', ')}]}}`,
      ]),
    );
    add('shuffled batches from shards', 0, measure('batches', setsFor(csv, 'cache-csv')));
    printTable('Reading 33 columns (2 labels, 23 ids, 8 scaled numbers), one thread where not told otherwise', rows);

    const speeds = {
      'engine alone': measure('engine', setsFor(csv, 'cache-csv')),
      'mtl train': measure('train', setsFor(csv, 'cache-csv')),
    };
    Object.assign(results, speeds);
    printTable(
      `Training esmm on ${count(ROWS)} rows, batch 1024`,
      Object.entries(speeds).map(([what, measured]) => ({
        what,
        'rows/s': count(speedOf(measured)),
        'of the engine': `${((100 * speedOf(measured)) / speedOf(speeds['engine alone'])).toFixed(0)}%`,
        'peak MB': count(measured.peakMB),
      })),
    );
    saveResults('data', { results });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

const FILES = [200, 1000, 3000];
const FILE_ROWS = 20;

/** Writes files of a few rows each (or one file with the same rows) and a config that splits them. */
function writeFiles(folder: string, numFiles: number, isOne: boolean): string {
  const random = randomStream(1, 'files');
  mkdirSync(join(folder, 'logs'), { recursive: true });
  const texts = Array.from({ length: numFiles }, () =>
    Array.from(
      { length: FILE_ROWS },
      () =>
        `${Number(random.uniform() < 0.3)},u${random.below(500)},i${random.below(300)},${random.below(4000) / 100}\n`,
    ).join(''),
  );
  const header = 'click,user,item,price\n';
  if (isOne) writeFileSync(join(folder, 'logs', 'all.csv'), header + texts.join(''));
  else
    texts.forEach((text, i) => writeFileSync(join(folder, 'logs', `${String(i).padStart(5, '0')}.csv`), header + text));
  const config = join(folder, 'config.yaml');
  writeFileSync(
    config,
    `data: { source: logs, split: { by: random, shares: { valid: 0.1, test: 0.1 } } }
features:
  ids: { type: categorical, fields: [user, item], width: 4, encoding: { name: tokens } }
  price: { type: numeric, fields: [price], scaling: standard }
tasks: { ctr: { label: click } }
model: { name: single-task }
training: { epochs: 1, batchSize: 1024 }
`,
  );
  return config;
}

it('files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mtl-bench-files-'));
  try {
    const results = FILES.flatMap((numFiles) =>
      [false, true].map((isOne) => {
        const config = writeFiles(join(folder, `${numFiles}-${isOne}`), numFiles, isOne);
        return {
          numFiles: isOne ? 1 : numFiles,
          first: measure('files', [], config),
          again: measure('files', [], config),
        };
      }),
    );
    printTable(
      'Reading the splits of many small files, processor time',
      results.map(({ numFiles, first, again }) => ({
        files: count(numFiles),
        rows: count(first.rows),
        'first, s': (first.cpuMs / 1000).toFixed(2),
        'again, s': (again.cpuMs / 1000).toFixed(2),
        'again, s per 1,000 files': ((1000 * again.cpuMs) / 1000 / numFiles).toFixed(2),
      })),
    );
    saveResults('files', { results });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
