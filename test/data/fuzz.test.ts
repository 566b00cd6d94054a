/** @module-tag long */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Task } from '../../src/core/tasks.js';
import { scratchFolder } from '../support/scratch.js';
import { createCase, createChance, type FuzzCase } from './fuzz-case.js';
import { SHOPS } from './fuzz-expressions.js';
import type { FuzzFile, TableFile } from './fuzz-files.js';
import { openSubject, type StreamedRow, type Subject, type Way } from './fuzz-subject.js';
import { createOracle, NothingToLearn, SAMPLED, type OracleRow, type OracleSetup, type Outcome } from './oracle.js';

// Random configs and files, read as training reads them and by a slow oracle. MTL_FUZZ=500 tries more seeds,
// MTL_FUZZ_SEED=7 that one, both together 500 from seed 7.

const { MTL_FUZZ, MTL_FUZZ_SEED } = process.env;
const first = Number(MTL_FUZZ_SEED ?? 0);
const last = first + Number(MTL_FUZZ ?? (MTL_FUZZ_SEED === undefined ? 150 : 1));

const SEEDS_PER_TEST = 10;

/** Relative tolerance for scaled numbers: sums may be in any order. */
const TOLERANCE = 1e-5;

/** Compares values; numbers may differ a little. */
function isClose(actual: unknown, expected: unknown): boolean {
  if (typeof actual === 'number' && typeof expected === 'number')
    return Math.abs(actual - expected) <= TOLERANCE * (1 + Math.abs(expected));
  if (typeof actual !== 'object' || typeof expected !== 'object' || actual === null || expected === null)
    return actual === expected;
  const keys = Object.keys(expected) as (keyof typeof expected)[];
  return keys.length === Object.keys(actual).length && keys.every((key) => isClose(actual[key], expected[key]));
}

/** Expects equal rows; reports the first that differs. */
function expectClose(actual: readonly unknown[], expected: readonly unknown[], what: string): void {
  expect(actual.length, what).toBe(expected.length);
  const at = expected.findIndex((row, i) => !isClose(actual[i], row));
  if (at >= 0) expect(actual[at], `${what}: row ${at}`).toEqual(expected[at]);
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

/** A part as it should be read. */
interface Expected {
  readonly rows: readonly OracleRow[];
  /** Rows of a stream, which samples nothing. */
  readonly passed: readonly Outcome[];
  /** Place and column of each invalid row. */
  readonly rejects: readonly (readonly [place: string, column: string | undefined])[];
  readonly leftOut: Readonly<Record<string, number>>;
}

function expectedOf(outcomes: readonly Outcome[]): Expected | undefined {
  const leftOut: Record<string, number> = {};
  for (const { reason } of outcomes) if (reason !== undefined) leftOut[reason] = (leftOut[reason] ?? 0) + 1;
  const used = outcomes.filter(({ reason }) => reason === undefined);
  const rows = used.flatMap(({ row }) => row ?? []);
  const passed = outcomes.filter(({ reason }) => reason === undefined || reason === SAMPLED);
  const rejects = used.flatMap(({ row, place, column }) => (row === undefined ? [[place, column] as const] : []));
  return rows.length === 0 ? undefined : { rows, passed, rejects, leftOut };
}

/** What training should get: all parts; undefined for a part without rows. */
function expectedParts(setup: OracleSetup, train: readonly TableFile[], valid: readonly TableFile[]): Parts {
  const { split } = setup.data;
  const has = (part: 'valid' | 'test'): boolean =>
    split === undefined ? part === 'valid' && valid.length > 0 : (split[part] ?? split.shares?.[part]) !== undefined;
  const parts = ['train' as const, ...(['valid', 'test'] as const).filter(has)];
  try {
    const oracle = createOracle(setup, train);
    return Object.fromEntries(
      parts.map((part) => [part, expectedOf(oracle(part, part === 'train' || split !== undefined ? train : valid))]),
    );
  } catch (error) {
    if (error instanceof NothingToLearn) return Object.fromEntries(parts.map((part) => [part, undefined]));
    throw error;
  }
}

type Parts = Readonly<Record<string, Expected | undefined>>;

/** Compares what is read with what is expected; `hasErrors` if an invalid row is an error. */
async function compareRows(
  subject: Subject,
  expected: Parts,
  hasErrors: boolean,
  way: Way,
  what: string,
): Promise<void> {
  const found = await subject.read(way);
  const isEmpty = expected['train'] === undefined;
  for (const [part, own] of Object.entries(expected)) {
    const label = `${what}, ${part}`;
    const told = found[part];
    const places = hasErrors ? placesOf(expected, part) : [];
    if (typeof told !== 'string') {
      // Without a fit, other parts do not depend on the training set.
      if (isEmpty && part !== 'train') continue;
      const isError = own === undefined || (hasErrors && own.rejects.length > 0);
      expect(isError, `${label}: is read, but an error is expected`).toBe(false);
      const { rows, rejects, leftOut } = told!;
      expect([...rejects].sort(), `${label}: invalid rows`).toEqual([...own!.rejects].sort());
      expect(leftOut, `${label}: excluded rows`).toEqual(own!.leftOut);
      expectClose(rows, withGroups(own!.rows, subject.tasks, way.batchSize), `${label}: rows`);
    } else if (own !== undefined && !isEmpty && !places.some((place) => told.includes(place)))
      throw new Error(`${label}: ${told}`);
  }
}

/** Adds the number of the group within a batch, -1 for a missing key, to the labels of rows. */
function withGroups(rows: readonly OracleRow[], tasks: readonly Task[], batchSize: number): readonly OracleRow[] {
  const [name] = tasks.flatMap(({ lossKey }) => lossKey ?? []);
  if (name === undefined) return rows;
  return rows.map((row, r) => {
    const before = rows.slice(r - (r % batchSize), r + 1).map(({ keys }) => String(keys[name]));
    const present = [...new Set(before)].filter((key) => key !== MISSING_KEY);
    return { ...row, labels: { ...row.labels, group: present.indexOf(before.at(-1)!) } };
  });
}

const MISSING_KEY = '0,1073741824';

/** Places of the invalid rows of the training set and of a part; an error names one of them. */
function placesOf(expected: Parts, part: string): readonly string[] {
  return [expected['train'], expected[part]].flatMap((each) => each?.rejects ?? []).map(([place]) => `${place}:`);
}

/** Compares what is streamed with what is expected. */
async function compareStreams(
  subject: Subject,
  expected: Parts,
  hasErrors: boolean,
  way: Way,
  what: string,
): Promise<void> {
  for (const [part, own] of Object.entries(expected)) {
    if (own === undefined || expected['train'] === undefined || (hasErrors && placesOf(expected, part).length > 0))
      continue;
    const label = `${what}, stream of ${part}`;
    const { rows, rejects, leftOut } = await subject.stream(part as 'train', KEPT, way);
    const passed = own.passed.map(({ texts, row }) => ({
      kept: KEPT.map((name) => texts[name] ?? ''),
      row: row && { ...row, keys: {} },
    }));
    expect([...rejects].sort(), `${label}: invalid rows`).toEqual([...own.rejects].sort());
    const others = Object.entries(own.leftOut).filter(([reason]) => reason !== SAMPLED);
    expect(leftOut, `${label}: excluded rows`).toEqual(Object.fromEntries(others));
    expectClose(rows.map(withoutList), passed.map(withoutList), `${label}: rows`);
  }
}

/** Removes a Parquet list from an invalid row: it is JSON in valid rows, but `[a, b]` in invalid ones. */
function withoutList({ kept, row }: StreamedRow): StreamedRow {
  return { kept: row === undefined ? kept.map((text) => (text.startsWith('[') ? '' : text)) : kept, row };
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
    writeFileSync(join(folder, SHOPS.file), SHOPS.content);
    writeFiles(join(folder, 'train'), one.train);
    writeFiles(join(folder, 'valid'), one.valid);
    const chance = createChance(seed + 1e6);
    const wayOf = (): Way => ({ batchSize: chance.pick([1, 7, 1000]), threads: chance.pick([1, 2]) });
    const subject = await openSubject(config, join(folder, 'cache'));
    const setup = { tasks: subject.tasks, groups: Object.values(one.features), keys: subject.keys, data: one.data };
    const hasErrors = one.data['onBadRow'] !== 'skip';
    const valid = tablesOf(join(folder, 'valid'), one.valid, false);
    const isSorted = !Array.isArray(one.data['train'] ?? one.data['source']);
    const train = tablesOf(join(folder, 'train'), one.train, isSorted);
    const expected = expectedParts(setup, train, valid);
    await compareRows(subject, expected, hasErrors, wayOf(), 'first read');
    await compareStreams(subject, expected, hasErrors, wayOf(), 'first read');
    await compareRows(subject, expected, hasErrors, wayOf(), 'read from the cache');
    if (one.later === undefined) return;
    writeFiles(join(folder, 'train'), [one.later]);
    const more = expectedParts(setup, tablesOf(join(folder, 'train'), [...one.train, one.later], true), valid);
    await compareRows(subject, more, hasErrors, wayOf(), 'read with one more file');
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
  for (let begin = first; begin < last; begin += SEEDS_PER_TEST) {
    const seeds = Array.from({ length: Math.min(SEEDS_PER_TEST, last - begin) }, (_, i) => begin + i);
    it(`for seeds ${begin} to ${seeds.at(-1)}`, async () => {
      // They wait for the disk together.
      const failures = (await Promise.allSettled(seeds.map(runCase))).filter(({ status }) => status === 'rejected');
      if (failures.length > 0) throw (failures[0] as PromiseRejectedResult).reason;
    });
  }
});
