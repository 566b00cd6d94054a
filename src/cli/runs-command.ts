import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { csvText } from '../text/csv-text.js';
import { wallClockMs } from '../system/clock.js';
import { didYouMean, EXIT_CODES, userError } from '../core/errors.js';
import { builtMetric, metricOption, metricParts } from '../evaluation/metrics.js';
import { channelsByRun } from '../runs/channels.js';
import { removeRuns, thinCheckpoints, type Removed } from '../runs/remove-runs.js';
import { describeRun, existingRun, findRuns, type ListedRun } from '../runs/run-list.js';
import { RESOLVED } from '../runs/run-log.js';
import { runsRoot, shownPath } from '../runs/runs-root.js';
import { bytes, count, duration, table } from './format.js';
import { createOutput, type Output } from './output.js';
import type { Terminal } from './terminal.js';

/** The arguments of `mtl runs`. */
export interface RunsArguments {
  /** Parts of paths, and `key=value` of configs. */
  readonly filters: readonly string[];
  readonly state: string | undefined;
  readonly sort: string | undefined;
  readonly last: number | undefined;
  readonly json: boolean;
  readonly csv: boolean;
}

/** A run, and the channels that point to it; JSON. */
interface ShownRun extends ListedRun {
  readonly channels: readonly string[];
}

/** `mtl runs`: lists runs, and gives the exit code. */
export function runRuns({ filters, state, sort, last, json, csv }: RunsArguments): Promise<number> {
  const { screen, result } = createOutput(json || csv);
  const root = runsRoot();
  const channels = channelsByRun(root);
  const all = matching(findRuns(root), filters)
    .map((folder): ShownRun => ({
      ...describeRun(folder, wallClockMs()),
      channels: channels.get(realpathSync(folder)) ?? [],
    }))
    .filter((run) => state === undefined || run.state === state);
  const sorted = all.sort((a, b) => ((a.startedAt ?? '') < (b.startedAt ?? '') ? -1 : 1));
  const runs = sort === undefined ? sorted : sortedBy(sorted, sort);
  const shown = last === undefined ? runs : sort === undefined ? runs.slice(-last) : runs.slice(0, last);
  if (csv) process.stdout.write(csvOf(shown));
  else if (!json)
    screen.print(
      shown.length === 0
        ? `no runs in ${shownPath(root)}${filters.length > 0 || state !== undefined ? ' that are asked for' : ''}`
        : tableOf(shown, sort, screen),
    );
  if (json) result({ root, runs: shown });
  return Promise.resolve(EXIT_CODES.done);
}

/** `mtl runs rm`: removes runs. */
export async function runRunsRemove({
  runs,
  json,
}: {
  readonly runs: readonly string[];
  readonly json: boolean;
}): Promise<number> {
  const output = createOutput(json);
  // By a link, as runs/latest, its run is meant.
  const folders = runs.map(existingRun);
  return tellRemoved(output, await removeRuns([...new Set(folders)], runsRoot(), wallClockMs()), false);
}

/** `mtl runs prune`: removes the checkpoints of old runs that neither best nor last points at. */
export async function runRunsThin({
  filters,
  keep,
  dryRun,
  json,
}: {
  readonly filters: readonly string[];
  readonly keep: number;
  readonly dryRun: boolean;
  readonly json: boolean;
}): Promise<number> {
  const output = createOutput(json);
  const byAge = matching(findRuns(runsRoot()), filters)
    .map((folder) => ({ folder, run: describeRun(folder, wallClockMs()) }))
    .filter(({ run }) => run.state !== 'running')
    .sort((a, b) => ((a.run.startedAt ?? '') < (b.run.startedAt ?? '') ? -1 : 1));
  const old = byAge.slice(0, Math.max(0, byAge.length - keep));
  return tellRemoved(
    output,
    await thinCheckpoints(
      old.map(({ folder }) => folder),
      dryRun,
    ),
    dryRun,
  );
}

function tellRemoved({ screen, result }: Output, { paths, bytes: freed }: Removed, isDry: boolean): number {
  for (const path of paths) screen.print(`  ${path}`);
  screen.print(
    paths.length === 0
      ? 'there is nothing to remove'
      : `${isDry ? 'would remove' : 'removed'} ${count(paths.length)}, ${bytes(freed)} ${isDry ? 'would be freed' : 'are freed'}`,
  );
  result({ removed: paths, bytes: freed, isDry });
  return EXIT_CODES.done;
}

/** Runs whose path has each of the words in it, and whose config has each of the values. */
function matching(folders: readonly string[], filters: readonly string[]): readonly string[] {
  const words = filters.filter((filter) => !filter.includes('='));
  const values = filters
    .filter((filter) => filter.includes('='))
    .map((filter) => [filter.slice(0, filter.indexOf('=')), filter.slice(filter.indexOf('=') + 1)] as const);
  return folders.filter(
    (folder) =>
      words.every((word) => shownPath(folder).includes(word)) && (values.length === 0 || hasValues(folder, values)),
  );
}

function hasValues(folder: string, values: readonly (readonly [string, string])[]): boolean {
  let config: unknown;
  try {
    config = parse(readFileSync(join(folder, RESOLVED), 'utf8'));
  } catch {
    return false;
  }
  return values.every(([key, value]) => {
    const found = key
      .split('.')
      .reduce<unknown>(
        (node, step) =>
          typeof node === 'object' && node !== null ? (node as Record<string, unknown>)[step] : undefined,
        config,
      );
    return (typeof found === 'string' ? found : JSON.stringify(found)) === value;
  });
}

/** Fields by which runs may be sorted, beside their metrics; true where the largest is first. */
const FIELDS: Readonly<Record<string, boolean>> = {
  startedAt: true,
  elapsedMs: false,
  rowsPerSecond: true,
  epoch: true,
  step: true,
  seed: false,
};

/** Metrics of which less is better, by the name that they have where nothing else is said. */
const LOWER_IS_BETTER: ReadonlySet<string> = new Set(
  metricParts.names.flatMap((name) => {
    const plain = metricOption.safeParse(name);
    return plain.success
      ? builtMetric(plain.data).values.flatMap((value) => (value.goal === 'lower' ? [value.name] : []))
      : [];
  }),
);

/** The best first; what has no value last. */
function sortedBy(runs: readonly ShownRun[], by: string): readonly ShownRun[] {
  const known = [...new Set(runs.flatMap((run) => Object.keys(flat(run))))];
  const isField = Object.hasOwn(FIELDS, by);
  if (!isField && runs.length > 0 && runs.every((run) => valueOf(run, by) === undefined)) {
    const names = [...new Set(known.map((name) => name.slice(name.indexOf('.') + 1)))].filter(
      (name) => !/\.(rows|positives)$/.test(name),
    );
    // Who writes `auc` means that of a space.
    const meant = names.filter((name) => name.endsWith(`.${by}`));
    const fix =
      meant.length > 0
        ? `write ${meant.map((name) => `--sort ${name}`).join(' or ')}`
        : didYouMean(by, [...Object.keys(FIELDS), ...names]);
    throw userError('usage', {
      where: `--sort ${by}`,
      message: `no run has it; they have ${[...Object.keys(FIELDS), ...names].slice(0, 40).join(', ')}`,
      ...(fix !== undefined && { fix }),
    });
  }
  const isDescending = isField ? FIELDS[by]! : !LOWER_IS_BETTER.has(by.split('.').at(-1)!);
  const keyOf = (run: ListedRun): number | string | null | undefined =>
    isField ? (run as unknown as Record<string, number | string | null>)[by] : valueOf(run, by);
  return [...runs].sort((a, b) => {
    const [x, y] = [keyOf(a) ?? undefined, keyOf(b) ?? undefined];
    if (x === undefined || y === undefined) return x === y ? 0 : x === undefined ? 1 : -1;
    return (x < y ? -1 : x > y ? 1 : 0) * (isDescending ? -1 : 1);
  });
}

/** A metric of a run: as `test.ctcvr.auc`, or without the split, of test where there is one. */
function valueOf(run: ListedRun, name: string): number | undefined {
  const values = flat(run);
  return values[name] ?? values[`test.${name}`] ?? values[`valid.${name}`];
}

/** Metrics as `split.space.metric`. */
function flat({ metrics }: Pick<ListedRun, 'metrics'>): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(metrics).flatMap(([split, report]) =>
      Object.entries(report).flatMap(([space, values]) =>
        Object.entries(values).flatMap(([metric, value]) =>
          typeof value === 'number' ? [[`${split}.${space}.${metric}`, value] as const] : [],
        ),
      ),
    ),
  );
}

function tableOf(runs: readonly ShownRun[], sort: string | undefined, screen: Terminal): string {
  const monitors = [
    ...new Set(runs.flatMap(({ monitor }) => (monitor === null || monitor === 'loss' ? [] : [monitor]))),
  ];
  const asked = [...new Set([...(sort === undefined || Object.hasOwn(FIELDS, sort) ? [] : [sort]), ...monitors])];
  const metrics = (asked.length > 0 ? asked : firstMetrics(runs)).slice(0, 4);
  const hasBottoms = runs.some(({ bottom }) => bottom !== null);
  const hasChannels = runs.some(({ channels }) => channels.length > 0);
  const rows = runs.map((run) => [
    run.run,
    run.state,
    run.model ?? '-',
    ...(hasBottoms ? [run.bottom ?? '-'] : []),
    `${run.epoch}${run.epochs === null ? '' : `/${run.epochs}`}`,
    run.state === 'running' ? (run.leftMs === null ? '?' : `${duration(run.leftMs)} left`) : duration(run.elapsedMs),
    run.bestEpoch === null ? '-' : String(run.bestEpoch),
    ...metrics.map((metric) => valueOf(run, metric)?.toFixed(4) ?? '-'),
    ...(hasChannels ? [run.channels.join(', ') || '-'] : []),
  ]);
  return table(
    [
      'run',
      'state',
      'model',
      ...(hasBottoms ? ['bottom'] : []),
      'epochs',
      'time',
      'best epoch',
      ...metrics,
      ...(hasChannels ? ['channel'] : []),
    ],
    rows,
    screen,
  );
}

/** Where nothing says what counts: of each space what its reports tell first. */
function firstMetrics(runs: readonly ListedRun[]): readonly string[] {
  const bySpace = new Map<string, string>();
  for (const name of runs.flatMap((run) => Object.keys(flat(run)))) {
    const [, space = '', metric = ''] = /^[^.]*\.(.*)\.([^.]*)$/.exec(name) ?? [];
    if (metric !== 'rows' && metric !== 'positives' && !bySpace.has(space)) bySpace.set(space, `${space}.${metric}`);
  }
  return [...bySpace.values()];
}

function csvOf(runs: readonly ShownRun[]): string {
  const rows = runs.map(({ metrics, changes, channels, ...run }) => ({
    ...run,
    changes: changes.join(' '),
    channels: channels.join(' '),
    ...flat({ metrics }),
  })) as readonly Record<string, string | number | null>[];
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return csvText([columns, ...rows.map((row) => columns.map((column) => row[column] ?? ''))]);
}
