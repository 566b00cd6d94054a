/** @module-tag long */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../support/scratch.js';
import { createCase, createChance, type FuzzCase } from './fuzz-case.js';
import type { FuzzFile } from './fuzz-files.js';
import { openSubject, type Found, type Subject, type Way } from './fuzz-subject.js';
import { createOracle, NothingToLearn, type Expected, type OracleSetup, type TableFile } from './oracle.js';

// Random configs and files, read as training reads them and by a slow oracle. MTL_FUZZ=500 tries more seeds,
// MTL_FUZZ_SEED=7 one of them.

const NUM_SEEDS = Number(process.env['MTL_FUZZ'] ?? 150);
const [first, last] =
  process.env['MTL_FUZZ_SEED'] === undefined
    ? [0, NUM_SEEDS]
    : [Number(process.env['MTL_FUZZ_SEED']), Number(process.env['MTL_FUZZ_SEED']) + 1];

/** Relative tolerance for scaled numbers: sums may be in any order. */
const TOLERANCE = 1e-5;

/** Replaces numbers by the expected ones that they are close to. */
function rounded(actual: unknown, expected: unknown): unknown {
  if (typeof actual === 'number' && typeof expected === 'number')
    return Math.abs(actual - expected) <= TOLERANCE * (1 + Math.abs(expected)) ? expected : actual;
  if (Array.isArray(actual) && Array.isArray(expected))
    return actual.map((each, i) => rounded(each, (expected as unknown[])[i]));
  if (typeof actual !== 'object' || actual === null || typeof expected !== 'object' || expected === null) return actual;
  return Object.fromEntries(
    Object.entries(actual).map(([key, value]) => [key, rounded(value, (expected as Record<string, unknown>)[key])]),
  );
}

function expectClose(actual: unknown, expected: unknown, what: string): void {
  expect(rounded(actual, expected), what).toEqual(expected);
}

/** The files of a directory in the order of their source. */
function tablesOf(folder: string, files: readonly FuzzFile[], isSorted: boolean): readonly TableFile[] {
  const tables = files.map(({ name, rows, constants }) => ({ path: join(folder, name), rows, constants }));
  return isSorted ? tables.sort((a, b) => (a.path < b.path ? -1 : 1)) : tables;
}

function writeFiles(folder: string, files: readonly FuzzFile[]): void {
  for (const { name, content } of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

/** What training should get: all parts; undefined for a part without rows. */
function expectedParts(
  setup: OracleSetup,
  train: readonly TableFile[],
  valid: readonly TableFile[],
): Readonly<Record<string, Expected | undefined>> {
  const { split } = setup.data;
  const has = (part: 'valid' | 'test'): boolean =>
    split === undefined ? part === 'valid' && valid.length > 0 : (split[part] ?? split.shares?.[part]) !== undefined;
  const parts = ['train' as const, ...(['valid', 'test'] as const).filter(has)];
  try {
    const oracle = createOracle(setup, train);
    return Object.fromEntries(
      parts.map((part) => {
        const found = oracle(part)(part === 'train' || split !== undefined ? train : valid);
        return [part, found.rows.length === 0 ? undefined : found];
      }),
    );
  } catch (error) {
    if (error instanceof NothingToLearn) return Object.fromEntries(parts.map((part) => [part, undefined]));
    throw error;
  }
}

/** Compares what is read with what is expected. */
async function compare(
  subject: Subject,
  setup: OracleSetup,
  tables: readonly [train: readonly TableFile[], valid: readonly TableFile[]],
  way: Way,
  what: string,
): Promise<void> {
  const expected = expectedParts(setup, ...tables);
  const found = await subject.read(way);
  const isEmpty = expected['train'] === undefined;
  const isRefused = (part: string): boolean =>
    setup.data.onBadRow !== 'skip' &&
    [expected['train'], expected[part]].some((each) => (each?.rejects.length ?? 0) > 0);
  for (const [part, own] of Object.entries(expected)) {
    const label = `${what}, ${part}`;
    if (own === undefined || isEmpty) {
      expect(typeof found[part], `${label}: ${JSON.stringify(found[part])}`).toBe('string');
      continue;
    }
    if (isRefused(part)) {
      const places = [expected['train']!, own].flatMap(({ rejects }) =>
        rejects.slice(0, 1).map(([place]) => `${place}:`),
      );
      expect(
        places.filter((place) => String(found[part]).includes(place)),
        `${label}: ${JSON.stringify(found[part])}`,
      ).not.toEqual([]);
      continue;
    }
    if (typeof found[part] === 'string') throw new Error(`${label}: ${found[part]}`);
    const { rows, rejects, leftOut } = found[part] as Found;
    expect([...rejects].sort(), `${label}: invalid rows`).toEqual([...own.rejects].sort());
    expect(leftOut, `${label}: excluded rows`).toEqual(own.leftOut);
    expect(rows.length, `${label}: rows`).toBe(own.rows.length);
    expectClose(rows, own.rows, `${label}: rows`);
  }
  if (isEmpty) return;
  for (const [part, own] of Object.entries(expected)) {
    if (own === undefined || isRefused(part)) continue;
    const { rows, rejects, leftOut } = await subject.stream(part as 'train', KEPT, way);
    const passed = own.passed.map(({ cells, row }) => ({
      kept: KEPT.map((name) => cells[name] ?? ''),
      row: row && { ...row, keys: {} },
    }));
    expect([...rejects].sort(), `${what}, stream of ${part}: invalid rows`).toEqual([...own.rejects].sort());
    const { 'negatives beyond the sample': _, ...others } = own.leftOut;
    expect(leftOut, `${what}, stream of ${part}: excluded rows`).toEqual(others);
    expectClose(rows, passed, `${what}, stream of ${part}: rows`);
  }
}

const KEPT = ['note', 'user.id', 'seen', 'ds'];

function configOf({ data, features, tasks, keys }: FuzzCase): string {
  const metrics = keys.map((groupBy) => ({ name: 'gauc', groupBy }));
  return JSON.stringify(
    {
      data,
      features,
      tasks,
      model: { name: 'shared-bottom' },
      ...(keys.length > 0 && { evaluation: { metrics: ['auc', ...metrics] } }),
      ...('negativeSampling' in data && ('valid' in data || 'split' in data) && { training: { monitor: 'ctr.auc' } }),
    },
    null,
    1,
  );
}

async function runCase(seed: number): Promise<void> {
  const one = createCase(seed);
  const folder = scratchFolder();
  const config = join(folder, 'config.yaml');
  try {
    writeFileSync(config, configOf(one));
    writeFiles(join(folder, 'train'), one.train);
    writeFiles(join(folder, 'valid'), one.valid);
    const chance = createChance(seed + 1e6);
    const wayOf = (): Way => ({ batchSize: chance.pick([1, 7, 1000]), threads: chance.pick([1, 2]) });
    const open = (): Promise<Subject> => openSubject(config, join(folder, 'cache'));
    const subject = await open();
    const setup: OracleSetup = {
      tasks: subject.tasks,
      groups: Object.values(one.features),
      keys: subject.keys,
      data: one.data,
    };
    const valid = tablesOf(join(folder, 'valid'), one.valid, false);
    const isSorted = !Array.isArray(one.data['train'] ?? one.data['source']);
    const train = tablesOf(join(folder, 'train'), one.train, isSorted);
    await compare(subject, setup, [train, valid], wayOf(), 'first read');
    await compare(await open(), setup, [train, valid], wayOf(), 'read from the cache');
    if (one.later === undefined) return;
    writeFiles(join(folder, 'train'), [one.later]);
    await compare(
      await open(),
      setup,
      [tablesOf(join(folder, 'train'), [...one.train, one.later], true), valid],
      wayOf(),
      'read with one more file',
    );
  } catch (error) {
    throw new Error(describeCase(seed, one, error), { cause: error });
  }
}

/** Describes a failure so that it can be reproduced. */
function describeCase(seed: number, one: FuzzCase, error: unknown): string {
  const files = [...one.train, ...one.valid].map(({ name, rows }) => `${name} (${rows.length} rows)`);
  return [`MTL_FUZZ_SEED=${seed}: ${String(error)}`, configOf(one), JSON.stringify(one.format), files.join(', ')].join(
    '\n',
  );
}

describe('the data path equals the oracle', () => {
  for (let seed = first; seed < last; seed++) it(`for seed ${seed}`, () => runCase(seed));
});
