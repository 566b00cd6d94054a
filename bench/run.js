#!/usr/bin/env node
// npm run bench: runs the benchmarks named on the command line in vitest, which executes TypeScript.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const folder = import.meta.dirname;
const ENDING = '.bench.ts';
const names = readdirSync(folder)
  .filter((file) => file.endsWith(ENDING))
  .map((file) => file.slice(0, -ENDING.length));
/** Takes hours; runs only if named. */
const LONG = ['data-sets', 'models', 'search', 'soak'];
/** Requires a GPU; runs only if named. */
const DEVICE = ['webgpu'];
/** The comment at the top of a benchmark describes it. */
const about = (file) =>
  /^(?:\/\/ .*\n)+/
    .exec(readFileSync(join(folder, file), 'utf8'))[0]
    .replace(/^\/\/ /gm, '')
    .trim()
    .replaceAll('\n', ' ');
/** Wraps a text at 120 columns, indented by `width` after its first line. */
const wrap = (text, width) =>
  text
    .split(' ')
    .reduce(
      ({ lines, length }, word) =>
        length + word.length + 1 > 118 - width
          ? { lines: `${lines}\n${' '.repeat(width + 2)}${word}`, length: word.length }
          : { lines: lines === '' ? word : `${lines} ${word}`, length: length + word.length + 1 },
      { lines: '', length: 0 },
    ).lines;

function help() {
  const width = Math.max(...names.map((name) => name.length), '--set KEY=VALUE'.length) + 2;
  const lines = (entries) => entries.map(([name, text]) => `  ${name.padEnd(width)}${wrap(text, width)}`).join('\n');
  return `npm run bench -- [BENCH …] [OPTIONS]

Run benchmarks on this machine: those named, or all except data-sets, models, soak, webgpu and --peers. Close other programs first.

${lines(names.map((name) => [name, about(name + ENDING)]))}

${lines([
  ['--peers', about('peers/peers.bench.ts')],
  ['', 'MTL_PYTHON: a Python with torch and torch-rechub, or for data-sets with its packages (default: python3)'],
  [
    '--only NAMES',
    'engine, --peers: workloads, as in esmm-1024,mmoe-wide-1024; models: configs, as in esmm,mmoe; data-sets: names, tuning or judging',
  ],
  [
    '--vocabulary N',
    'engine: measure only steps with N ids in all tables, as in 400M (12 GiB), compared with smaller tables; growth: number of ids at the end (default: 10M)',
  ],
  ['--device webgpu', 'engine: run the webgpu benchmark instead'],
  ['--kernels CHOICE', 'auto, native or wasm, as for mtl train (default: MTL_KERNELS)'],
  ['--rows N', 'models: training rows (default: 2,000,000); delay: clicks (default: 200,000)'],
  ['--seeds N', 'models, data-sets, delay: random seeds per config (default: 3; data-sets: 5)'],
  ['--methods NAMES', 'data-sets: init, best, lightgbm, lightgbm-stopped and catboost (default: all)'],
  ['--folder DIR', 'data-sets: directory for extracted files and results (default: runs/bench-data-sets)'],
  ['--log NAME', 'models: plain or biased (default: both)'],
  ['--threads N', 'models, data-sets: threads (default: one per core)'],
  [
    '--threads N,…',
    'engine: measure only rows/s by number of threads, as in 1,2,4,8; beyond the cores, simulate the balance of work',
  ],
  ['--set KEY=VALUE', 'models, data-sets: override a key of each config, as for mtl train; repeatable'],
  ['--speed', 'models: measure only rows/s (minutes)'],
  ['--precision bf16', 'models: compare only the AUC of bf16 and f32 matrix products on the plain log'],
  ['--kept', 'models, data-sets: train nothing; print tables of earlier results'],
  [
    '--write FILE',
    'models, data-sets, cluster: write the tables between the marks of a page, as in docs/benchmarks/quality.md',
  ],
  ['--help', 'show this help'],
])}
`;
}

function fail(message) {
  process.stderr.write(`bench: ${message}\n`);
  process.exit(2);
}

function readArguments() {
  const text = { type: 'string' };
  const options = {
    peers: { type: 'boolean', default: false },
    only: text,
    device: text,
    vocabulary: text,
    kernels: text,
    rows: text,
    seeds: text,
    log: text,
    threads: text,
    set: { type: 'string', multiple: true },
    speed: { type: 'boolean' },
    kept: { type: 'boolean' },
    write: text,
    precision: text,
    folder: text,
    methods: text,
    help: { type: 'boolean', default: false },
  };
  try {
    return parseArgs({ options, allowPositionals: true });
  } catch (error) {
    return fail(`${error.message}\n\n${help()}`);
  }
}

const { values, positionals } = readArguments();
if (values.help) {
  process.stdout.write(help());
  process.exit(0);
}
const unknown = positionals.filter((name) => !names.includes(name));
if (unknown.length > 0) fail(`unknown benchmark '${unknown.join("', '")}'; use ${names.join(', ')} or --peers`);
if (values.threads !== undefined && !/^[1-9]\d{0,3}(,[1-9]\d{0,3})*$/.test(values.threads))
  fail(`invalid value '${values.threads}' for --threads; use positive integers, as in 1,2,4`);
if (values.threads?.includes(',') && positionals.includes('models'))
  fail(`invalid value '${values.threads}' for --threads; models uses one number`);
for (const name of ['rows', 'seeds'])
  if (values[name] !== undefined && !/^[1-9]\d{0,8}$/.test(values[name]))
    fail(`invalid value '${values[name]}' for --${name}; use a positive integer`);
if (values.vocabulary !== undefined && !/^[1-9]\d{0,5}M$/.test(values.vocabulary))
  fail(`invalid value '${values.vocabulary}' for --vocabulary; use a number of millions, as in 400M`);
if (values.log !== undefined && !['plain', 'biased'].includes(values.log))
  fail(`invalid value '${values.log}' for --log; use plain or biased`);
if (values.precision !== undefined && values.precision !== 'bf16')
  fail(`invalid value '${values.precision}' for --precision; use bf16`);
if (values.kernels !== undefined && !['auto', 'native', 'wasm'].includes(values.kernels))
  fail(`invalid value '${values.kernels}' for --kernels; use auto, native or wasm`);
if (values.device !== undefined && !['cpu', 'webgpu'].includes(values.device))
  fail(`invalid value '${values.device}' for --device; use cpu or webgpu`);
if (values.device === 'webgpu') positionals.splice(0, positionals.length, 'webgpu');
const chosen =
  positionals.length > 0 || values.peers
    ? positionals
    : names.filter((name) => !LONG.includes(name) && !DEVICE.includes(name));
const files = [
  ...chosen.map((name) => `bench/${name}${ENDING}`),
  ...(values.peers ? ['bench/peers/peers.bench.ts'] : []),
];

const begin = performance.now();
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--config', 'bench/vitest.config.ts', ...files],
  {
    cwd: join(folder, '..'),
    stdio: 'inherit',
    env: {
      ...process.env,
      ...(values.kernels !== undefined && { MTL_KERNELS: values.kernels }),
      MTL_BENCH_OPTIONS: JSON.stringify(values),
    },
  },
);
process.stdout.write(`took ${((performance.now() - begin) / 1000).toFixed(0)} s\n`);
process.exit(status ?? 1);
