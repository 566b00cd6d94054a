import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';

const RUNS = join(import.meta.dirname, '..', 'runs');

/** Options of `npm run bench` besides the names of benchmarks; run.js has validated them. */
export interface BenchOptions {
  readonly only: readonly string[];
  /** Data sets: methods to measure. */
  readonly methods: readonly string[];
  /** Engine: total number of ids in all tables; growth: number of ids at the end. */
  readonly vocabulary: number | undefined;
  readonly rows: number | undefined;
  readonly seeds: number | undefined;
  readonly threads: number | undefined;
  /** Engine: numbers of threads to compare. */
  readonly threadCounts: readonly number[];
  readonly log: 'plain' | 'biased' | undefined;
  readonly write: string | undefined;
  readonly set: readonly string[];
  /** Models: measure only rows/s. */
  readonly speed: boolean;
  /** Models: train nothing and print tables of earlier results. */
  readonly kept: boolean;
  /** Data sets: directory of the extracted files and results. */
  readonly folder: string | undefined;
  /** Models: precision to compare with f32. */
  readonly precision: string | undefined;
}

/** Parses the options that run.js passes on. */
export function benchOptions(): BenchOptions {
  const values = JSON.parse(process.env['MTL_BENCH_OPTIONS'] ?? '{}') as Readonly<
    Record<
      'only' | 'methods' | 'vocabulary' | 'rows' | 'seeds' | 'threads' | 'write' | 'folder' | 'precision',
      string | undefined
    >
  > & {
    readonly log?: BenchOptions['log'];
    readonly set?: readonly string[];
    readonly speed?: boolean;
    readonly kept?: boolean;
  };
  const names = (text: string): readonly string[] => text.split(',').filter((name) => name !== '');
  const whole = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));
  const {
    only = '',
    methods = '',
    vocabulary,
    rows,
    seeds,
    threads,
    log,
    write,
    set = [],
    speed = false,
    kept = false,
    folder,
    precision,
  } = values;
  return {
    only: names(only),
    methods: names(methods),
    vocabulary: vocabulary === undefined ? undefined : 1e6 * Number.parseInt(vocabulary, 10),
    rows: whole(rows),
    seeds: whole(seeds),
    threads: whole(threads),
    threadCounts: threads?.split(',').map(Number) ?? [],
    log,
    write,
    set,
    speed,
    kept,
    folder,
    precision,
  };
}

/** Hardware and software that speed depends on. */
export const MACHINE = {
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  memoryGB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
} as const;

/** Describes the machine in one line. */
export function describeMachine(): string {
  return `${MACHINE.cpu}, ${MACHINE.cores} cores, ${MACHINE.memoryGB} GB, Node ${MACHINE.node}`;
}

/** Returns the path of a benchmark's results. */
export function resultsFile(bench: string): string {
  return join(RUNS, `bench-${bench}.json`);
}

/** Writes the results of a benchmark with the machine and the time, and prints the path. */
export function saveResults(bench: string, results: object): void {
  mkdirSync(RUNS, { recursive: true });
  writeFileSync(
    resultsFile(bench),
    `${JSON.stringify({ machine: MACHINE, time: new Date().toISOString(), ...results }, null, 2)}\n`,
  );
  console.log(`${describeMachine()}; written to runs/bench-${bench}.json\n`);
}

/** Prints a table: one line per row, columns in the order of the first row's keys. */
export function printTable(title: string, rows: readonly Readonly<Record<string, string>>[]): void {
  const names = Object.keys(rows[0] ?? {});
  const widths = names.map((name) => Math.max(name.length, ...rows.map((row) => (row[name] ?? '').length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join('  ');
  console.log(
    ['', title, line(names), ...rows.map((row) => line(names.map((name) => row[name] ?? '')))].join('\n') + '\n',
  );
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

/** Formats an integer with thousands separators. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
