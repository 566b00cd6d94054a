#!/usr/bin/env node
// npm run fuzz: repeats all tests with random inputs, each round with other seeds, until a round fails or time is up.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const USAGE = `npm run fuzz -- [OPTIONS] [FILE …]

Repeats tests with random inputs, each round with other seeds, until a round fails or time is up.

  FILE         part of a test file's path; default: all tests with random inputs
  --minutes N  no round starts after this time; 0 runs one round; default: 10
  --cases N    random configs and files per round; default: 150
  --seed N     seed of the first round; default: random`;

/** Returns the test files whose random inputs depend on MTL_FUZZ_SEED (test/support/seed-fast-check.ts). */
function findFuzzTests() {
  return readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.test.ts'))
    .map((path) => join('test', path))
    .filter((path) => /from 'fast-check'|\bMTL_FUZZ_SEED\b/.test(readFileSync(join(root, path), 'utf8')))
    .sort();
}

/** Runs test files once. Returns whether they pass. */
function runRound(files, seed, cases) {
  const env = { ...process.env, MTL_FUZZ: String(cases), MTL_FUZZ_SEED: String(seed) };
  const args = ['node_modules/vitest/vitest.mjs', 'run', '--no-isolate', ...files];
  return spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' }).status === 0;
}

/** Returns an option as an integer that is not negative. */
function parseCount(name, text) {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name}: expected an integer of at most 9 digits, found '${text}'`);
  return Number(text);
}

function main() {
  const option = (value) => ({ type: 'string', default: value });
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      minutes: option('10'),
      cases: option('150'),
      seed: option(String(randomInt(1e9))),
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return void console.log(USAGE);
  const [minutes, cases] = [parseCount('minutes', values.minutes), parseCount('cases', values.cases)];
  const all = findFuzzTests();
  const files = positionals.length === 0 ? all : all.filter((path) => positionals.some((part) => path.includes(part)));
  if (files.length === 0) throw new Error(`no test with random inputs matches ${positionals.join(', ')}`);
  const endMs = performance.now() + 60_000 * minutes;
  let seed = parseCount('seed', values.seed);
  do {
    console.log(`fuzz: seed ${seed}, ${files.length} test files`);
    if (!runRound(files, seed, cases)) {
      const again = `npm run fuzz -- --minutes 0 --cases ${cases} --seed ${seed} ${positionals.join(' ')}`;
      console.error(`fuzz: failed; to repeat this round: ${again.trim()}`);
      process.exitCode = 1;
      return;
    }
    // Random configs have the seeds from this one on.
    seed += cases;
  } while (performance.now() < endMs);
}

try {
  main();
} catch (error) {
  console.error(`fuzz: ${error.message}; see npm run fuzz -- --help`);
  process.exitCode = 2;
}
