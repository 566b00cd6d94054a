#!/usr/bin/env node
// npm run bench: starts vitest on the benches that the command line names. vitest is what runs TypeScript here.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const folder = import.meta.dirname;
const ENDING = '.bench.ts';
const names = readdirSync(folder)
  .filter((file) => file.endsWith(ENDING))
  .map((file) => file.slice(0, -ENDING.length));
/** Hours long: only where they are named. */
const LONG = ['models'];
/** Those that want a device. */
const DEVICE = ['webgpu'];
/** A bench says in its first line what it measures. */
const about = (file) =>
  readFileSync(join(folder, file), 'utf8')
    .split('\n', 1)[0]
    .replace(/^\/\/ /, '');

function help() {
  const width = Math.max(...names.map((name) => name.length), '--set KEY=VALUE'.length) + 2;
  const lines = (entries) => entries.map(([name, text]) => `  ${name.padEnd(width)}${text}`).join('\n');
  return `npm run bench -- [BENCH …] [OPTIONS]

Measures mtl on this machine; without a name, every bench but models, webgpu and the peers. Close what else is running.

${lines(names.map((name) => [name, about(name + ENDING)]))}

${lines([
  ['--peers', about('peers/peers.bench.ts')],
  ['', 'MTL_PYTHON names the Python that has torch and torch-rechub (python3 otherwise)'],
  [
    '--only NAMES',
    'workloads of engine and --peers, with commas: esmm-1024,mmoe-wide-1024; of models, configs: esmm,mmoe',
  ],
  [
    '--vocabulary N',
    'of engine: steps with so many ids in all tables together, as in 400M (12 GiB), beside fewer; nothing else',
  ],
  ['--device webgpu', 'of engine: the bench webgpu in its place'],
  ['--kernels CHOICE', 'auto, native or wasm, as for mtl train; MTL_KERNELS otherwise'],
  ['--rows N', 'of models: rows to train on (2,000,000)'],
  ['--seeds N', 'of models: trainings of each config (3)'],
  ['--log NAME', 'of models: plain or biased; both where it is left out'],
  ['--threads N', 'of models: workers of a training; one a core where it is left out'],
  ['--set KEY=VALUE', 'of models: changes to each config, as for mtl train; repeatable'],
  ['--speed', 'of models: measures rows/s alone, in minutes; close what else is running'],
  ['--precision bf16', 'of models: the AUC with products in bf16 beside that in f32, on the plain log; nothing else'],
  ['--kept', 'of models: trains nothing, and makes the tables of what earlier calls measured'],
  [
    '--write FILE',
    'of models and cluster: puts the tables between the marks of this page, as in docs/benchmarks/quality.md',
  ],
  ['--help', 'this'],
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
if (unknown.length > 0) fail(`no bench '${unknown.join("', '")}'; there are ${names.join(', ')}, and --peers`);
for (const name of ['rows', 'seeds', 'threads'])
  if (values[name] !== undefined && !/^[1-9]\d{0,8}$/.test(values[name]))
    fail(`--${name} '${values[name]}' is no whole number from 1`);
if (values.vocabulary !== undefined && !/^[1-9]\d{0,5}M$/.test(values.vocabulary))
  fail(`--vocabulary '${values.vocabulary}' is no number of millions, as in 400M`);
if (values.log !== undefined && !['plain', 'biased'].includes(values.log))
  fail(`no log '${values.log}'; there are plain, biased`);
if (values.precision !== undefined && values.precision !== 'bf16')
  fail(`--precision '${values.precision}' is not bf16`);
if (values.kernels !== undefined && !['auto', 'native', 'wasm'].includes(values.kernels))
  fail(`--kernels '${values.kernels}' is none of auto, native, wasm`);
if (values.device !== undefined && !['cpu', 'webgpu'].includes(values.device))
  fail(`--device '${values.device}' is none of cpu, webgpu`);
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
