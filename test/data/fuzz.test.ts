/** @module-tag long */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Task } from '../../src/core/tasks.js';
import { scratchFolder } from '../support/scratch.js';
import { createCase, createChance, type FuzzCase, type TableFile } from './fuzz-case.js';
import type { FuzzFile } from './fuzz-files.js';
import { openSubject, type OracleRow, type Outcome, type StreamedRow, type Subject, type Way } from './fuzz-subject.js';
import { expectParts, SAMPLED, SHOPS } from './oracle.js';

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
  const ordered = isSorted ? [...files].sort((a, b) => (a.name < b.name ? -1 : 1)) : files;
  return ordered.map(({ name, rows, constants }) => ({
    rows: rows.map((row) => ({ ...row, place: `${join(folder, name)}:${row.line}` })),
    constants,
  }));
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

function expectedOf(outcomes: readonly Outcome[] | undefined): Expected | undefined {
  if (outcomes === undefined) return undefined;
  const leftOut: Record<string, number> = {};
  for (const { reason } of outcomes) if (reason !== undefined) leftOut[reason] = (leftOut[reason] ?? 0) + 1;
  const used = outcomes.filter(({ reason }) => reason === undefined);
  const rows = used.flatMap(({ row }) => row ?? []);
  const passed = outcomes.filter(({ reason }) => reason === undefined || reason === SAMPLED);
  const rejects = used.flatMap(({ row, place, column }) => (row === undefined ? [[place, column] as const] : []));
  return rows.length === 0 ? undefined : { rows, passed, rejects, leftOut };
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
      const grouped = withGroups(own!.rows, subject.tasks, way.batchSize);
      expectClose(withNumberedKeys(rows), withNumberedKeys(grouped), `${label}: rows`);
    } else if (own !== undefined && !isEmpty && !places.some((place) => told.includes(place)))
      throw new Error(`${label}: ${told}`);
  }
}

/** Adds the number of the group within a batch, -1 for a missing key, to the labels of rows. */
function withGroups(rows: readonly OracleRow[], tasks: readonly Task[], batchSize: number): readonly OracleRow[] {
  const [name] = tasks.flatMap(({ lossKey }) => lossKey ?? []);
  if (name === undefined) return rows;
  return rows.map((row, r) => {
    const before = rows.slice(r - (r % batchSize), r + 1).map(({ keys }) => keys[name]!);
    const present = [...new Set(before)].filter((key) => key !== '');
    return { ...row, labels: { ...row.labels, group: present.indexOf(before.at(-1)!) } };
  });
}

/** Replaces keys by the numbers of the first rows that have them. */
function withNumberedKeys(rows: readonly OracleRow[]): readonly object[] {
  const seen = new Map<string, number>();
  return rows.map(({ keys, ...row }, r) => {
    const numbers = Object.entries(keys).map(([name, key]) => {
      const first = `${name} ${key}`;
      if (!seen.has(first)) seen.set(first, r);
      return [name, seen.get(first)] as const;
    });
    return { ...row, keys: Object.fromEntries(numbers) };
  });
}

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
    const passed = own.passed.map(({ kept, row }) => ({
      kept: KEPT.map((name) => kept[name] ?? ''),
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

function configOf({ data, groups, tasks, keys }: FuzzCase): string {
  const metrics = keys.map((groupBy) => ({ name: 'gauc', groupBy }));
  const features = groups.map((group, g) => [`group${g}`, { ...group, fields: group.fields.map(shorten) }] as const);
  return JSON.stringify(
    {
      data,
      features: Object.fromEntries(features),
      tasks,
      model: { name: 'shared-bottom' },
      ...(keys.length > 0 && { evaluation: { metrics: ['auc', ...metrics] } }),
      ...('negativeSampling' in data && ('valid' in data || 'split' in data) && { training: { monitor: 'ctr.auc' } }),
    },
    null,
    1,
  );
}

/** Writes a field without options as its column, or columns. */
function shorten({ name, ...options }: FuzzCase['groups'][number]['fields'][number]): unknown {
  if (Object.keys(options).length === 0) return name;
  if ('columns' in options) return options.columns;
  return { ...(name !== '' && { name }), ...options };
}

async function runCase(seed: number): Promise<void> {
  const one = createCase(seed);
  const folder = scratchFolder();
  const config = join(folder, 'config.yaml');
  try {
    writeFileSync(config, configOf(one));
    const shops = Object.entries(SHOPS).map(
      ([shop, [size, cost]]) => `${size},${shop},${Number.isNaN(cost) ? '' : cost}\n`,
    );
    writeFileSync(join(folder, 'shops.csv'), `size,shop,cost\n${shops.join('')}`);
    writeFiles(join(folder, 'train'), one.train);
    writeFiles(join(folder, 'valid'), one.valid);
    const chance = createChance(seed + 1e6);
    const wayOf = (): Way => ({ batchSize: chance.pick([1, 7, 1000]), threads: chance.pick([1, 2]) });
    const subject = await openSubject(config, join(folder, 'cache'));
    const expectAll = (train: readonly FuzzFile[]): Parts => {
      const files = { train: tablesOf(join(folder, 'train'), train, isSorted), valid };
      const found = expectParts({
        tasks: subject.tasks,
        keys: subject.keys,
        data: one.data,
        groups: one.groups,
        ...files,
      });
      return Object.fromEntries(Object.entries(found).map(([part, outcomes]) => [part, expectedOf(outcomes)]));
    };
    const hasErrors = one.data['onBadRow'] !== 'skip';
    const valid = tablesOf(join(folder, 'valid'), one.valid, false);
    const isSorted = !Array.isArray(one.data['train'] ?? one.data['source']);
    const expected = expectAll(one.train);
    await compareRows(subject, expected, hasErrors, wayOf(), 'first read');
    await compareStreams(subject, expected, hasErrors, wayOf(), 'first read');
    await compareRows(subject, expected, hasErrors, wayOf(), 'read from the cache');
    if (one.later === undefined) return;
    writeFiles(join(folder, 'train'), [one.later]);
    await compareRows(subject, expectAll([...one.train, one.later]), hasErrors, wayOf(), 'read with one more file');
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
    const tags = begin === first ? [] : ['nightly'];
    it(`for seeds ${begin} to ${seeds.at(-1)}`, { tags }, async () => {
      // They wait for the disk together.
      const failures = (await Promise.allSettled(seeds.map(runCase))).filter(({ status }) => status === 'rejected');
      if (failures.length > 0) throw (failures[0] as PromiseRejectedResult).reason;
    });
  }
});
