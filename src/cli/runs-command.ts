import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { csvText } from '../text/csv-text.js';
import { wallClockMs } from '../system/clock.js';
import { didYouMean, EXIT_CODES, userError } from '../core/errors.js';
import { builtMetric, metricOption, metricParts } from '../evaluation/metrics.js';
import { channelsByRun } from '../runs/channels.js';
import { compactCheckpoint } from '../runs/compact.js';
import { findCheckpoint } from '../runs/find-checkpoint.js';
import { removeRuns, thinCheckpoints, type Removed } from '../runs/remove-runs.js';
import { describeRun, existingRun, findRuns, type ListedRun } from '../runs/run-list.js';
import { RESOLVED } from '../runs/run-log.js';
import { runsRoot, shownPath } from '../runs/runs-root.js';
import { bytes, count, duration, table } from './format.js';
import { createOutput, type Output } from './output.js';
import type { Terminal } from './terminal.js';

export interface RunsArguments {
  /** Parts of paths, and `key=value` pairs of configs. */
  readonly filters: readonly string[];
  readonly state: string | undefined;
  readonly sort: string | undefined;
  readonly last: number | undefined;
  readonly json: boolean;
  readonly csv: boolean;
}

/** A run with the channels that point to it, as in the JSON output. */
interface ShownRun extends ListedRun {
  readonly channels: readonly string[];
}

/** Runs `mtl runs`: lists runs. Returns the exit code. */
export function runRuns({ filters, state, sort, last, json, csv }: RunsArguments): Promise<number> {
  const { screen, result } = createOutput(json || csv);
  const root = runsRoot();
  const channels = channelsByRun(root);
  const all = filterRuns(findRuns(root), filters)
    .map((folder): ShownRun => ({
      ...describeRun(folder, wallClockMs()),
      channels: channels.get(realpathSync(folder)) ?? [],
    }))
    .filter((run) => state === undefined || run.state === state);
  const sorted = all.sort((a, b) => ((a.startedAt ?? '') < (b.startedAt ?? '') ? -1 : 1));
  const runs = sort === undefined ? sorted : sortRuns(sorted, sort);
  const shown = last === undefined ? runs : sort === undefined ? runs.slice(-last) : runs.slice(0, last);
  if (csv) process.stdout.write(formatCsv(shown));
  else if (!json)
    screen.print(
      shown.length === 0
        ? `no runs in ${shownPath(root)}${filters.length > 0 || state !== undefined ? ' match the filters' : ''}`
        : formatTable(shown, sort, screen),
    );
  if (json) result({ root, runs: shown });
  return Promise.resolve(EXIT_CODES.done);
}

/** Runs `mtl runs rm`. Returns the exit code. */
export async function runRunsRemove({
  runs,
  json,
}: {
  readonly runs: readonly string[];
  readonly json: boolean;
}): Promise<number> {
  const output = createOutput(json);
  // A link such as runs/latest stands for its run.
  const folders = runs.map(existingRun);
  return printRemoved(output, await removeRuns([...new Set(folders)], runsRoot(), wallClockMs()), false);
}

/** Runs `mtl runs prune`: removes the checkpoints of old runs except the best and the last. Returns the exit code. */
export async function runRunsThin({
  filters,
  keepLast,
  dryRun,
  json,
}: {
  readonly filters: readonly string[];
  readonly keepLast: number;
  readonly dryRun: boolean;
  readonly json: boolean;
}): Promise<number> {
  const output = createOutput(json);
  const byAge = filterRuns(findRuns(runsRoot()), filters)
    .map((folder) => ({ folder, run: describeRun(folder, wallClockMs()) }))
    .filter(({ run }) => run.state !== 'running')
    .sort((a, b) => ((a.run.startedAt ?? '') < (b.run.startedAt ?? '') ? -1 : 1));
  const old = byAge.slice(0, Math.max(0, byAge.length - keepLast));
  return printRemoved(
    output,
    await thinCheckpoints(
      old.map(({ folder }) => folder),
      dryRun,
    ),
    dryRun,
  );
}

/** Runs `mtl runs compact`: writes the last delta of a run as a full checkpoint. Returns the exit code. */
export async function runRunsCompact({ run, json }: { readonly run: string; readonly json: boolean }): Promise<number> {
  const { screen, result } = createOutput(json);
  const checkpoint = shownPath(findCheckpoint(run, ['last', 'best']));
  const { deltas, bytes: written } = await compactCheckpoint(checkpoint);
  screen.print(
    deltas === 0
      ? `${checkpoint} is full: nothing to compact`
      : `compacted ${checkpoint}: ${count(deltas)} ${deltas === 1 ? 'delta' : 'deltas'} and the checkpoint before to ` +
          `a full one of ${bytes(written)}`,
  );
  result({ checkpoint, deltas, bytes: written });
  return EXIT_CODES.done;
}

function printRemoved({ screen, result }: Output, { paths, bytes: freed }: Removed, isDry: boolean): number {
  for (const path of paths) screen.print(`  ${path}`);
  screen.print(
    paths.length === 0
      ? 'nothing to remove'
      : `${isDry ? 'would remove' : 'removed'} ${count(paths.length)} ` +
          `${paths.length === 1 ? 'directory' : 'directories'}, ${bytes(freed)}`,
  );
  result({ removed: paths, bytes: freed, isDry });
  return EXIT_CODES.done;
}

/** Selects runs whose path contains every word and whose config has every value. */
function filterRuns(folders: readonly string[], filters: readonly string[]): readonly string[] {
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

/** Fields to sort runs by, besides metrics; true sorts in descending order. */
const FIELDS: Readonly<Record<string, boolean>> = {
  startedAt: true,
  elapsedMs: false,
  rowsPerSecond: true,
  epoch: true,
  step: true,
  seed: false,
};

/** Metrics for which lower is better, by their default names. */
const LOWER_IS_BETTER: ReadonlySet<string> = new Set(
  metricParts.names.flatMap((name) => {
    const plain = metricOption.safeParse(name);
    return plain.success
      ? builtMetric(plain.data).values.flatMap((value) => (value.goal === 'lower' ? [value.name] : []))
      : [];
  }),
);

/** Sorts runs, best first; runs without a value come last. */
function sortRuns(runs: readonly ShownRun[], by: string): readonly ShownRun[] {
  const known = [...new Set(runs.flatMap((run) => Object.keys(flattenMetrics(run))))];
  const isField = Object.hasOwn(FIELDS, by);
  if (!isField && runs.length > 0 && runs.every((run) => getMetric(run, by) === undefined)) {
    const names = [...new Set(known.map((name) => name.slice(name.indexOf('.') + 1)))].filter(
      (name) => !/\.(rows|positives)$/.test(name),
    );
    // A bare metric such as `auc` needs the name of an output.
    const candidates = names.filter((name) => name.endsWith(`.${by}`));
    const fix =
      candidates.length > 0
        ? `use ${candidates.map((name) => `--sort ${name}`).join(' or ')}`
        : didYouMean(by, [...Object.keys(FIELDS), ...names]);
    throw userError('usage', {
      where: `--sort ${by}`,
      message: `no run has this value; available are ${[...Object.keys(FIELDS), ...names].slice(0, 40).join(', ')}`,
      ...(fix !== undefined && { fix }),
    });
  }
  const isDescending = isField ? FIELDS[by]! : !LOWER_IS_BETTER.has(by.split('.').at(-1)!);
  const getSortKey = (run: ListedRun): number | string | null | undefined =>
    isField ? (run as unknown as Record<string, number | string | null>)[by] : getMetric(run, by);
  return [...runs].sort((a, b) => {
    const [x, y] = [getSortKey(a) ?? undefined, getSortKey(b) ?? undefined];
    if (x === undefined || y === undefined) return x === y ? 0 : x === undefined ? 1 : -1;
    return (x < y ? -1 : x > y ? 1 : 0) * (isDescending ? -1 : 1);
  });
}

/** Looks up a metric of a run, such as `test.ctcvr.auc`; without a split, in test or else in valid. */
function getMetric(run: Pick<ListedRun, 'metrics'>, name: string): number | undefined {
  const values = flattenMetrics(run);
  return values[name] ?? values[`test.${name}`] ?? values[`valid.${name}`];
}

/** Flattens metrics to `split.output.metric`. */
function flattenMetrics({ metrics }: Pick<ListedRun, 'metrics'>): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(metrics).flatMap(([split, report]) =>
      Object.entries(report).flatMap(([output, values]) =>
        Object.entries(values).flatMap(([metric, value]) =>
          typeof value === 'number' ? [[`${split}.${output}.${metric}`, value] as const] : [],
        ),
      ),
    ),
  );
}

function formatTable(runs: readonly ShownRun[], sort: string | undefined, screen: Terminal): string {
  const monitors = [
    ...new Set(runs.flatMap(({ monitor }) => (monitor === null || monitor === 'loss' ? [] : [monitor]))),
  ];
  const requested = [...new Set([...(sort === undefined || Object.hasOwn(FIELDS, sort) ? [] : [sort]), ...monitors])];
  const metrics = (requested.length > 0 ? requested : firstMetrics(runs)).slice(0, 4);
  const [first] = metrics;
  const baselines = first === undefined ? [] : [...new Set(runs.flatMap(({ baseline }) => baseline?.name ?? []))];
  const metricColumns = metrics.map((metric): Column => [metric, (run) => formatMetric(run, metric)]);
  // Next to the metric that it is compared by.
  const baselineColumns = baselines.map((name): Column => [
    `${name} ${first!}`,
    ({ baseline }) =>
      baseline?.name === name ? formatMetric({ metrics: { [baseline.split]: baseline.metrics } }, first!) : '-',
  ]);
  const columns: readonly Column[] = [
    ['run', ({ run }) => run],
    ['state', ({ state }) => state],
    ['model', ({ model }) => model ?? '-'],
    ...optional(
      ['bottom', ({ bottom }) => bottom ?? '-'],
      runs.some(({ bottom }) => bottom !== null),
    ),
    [runs.some(({ records }) => records !== null) ? 'epochs or records' : 'epochs', formatProgress],
    ['time', formatTime],
    ['best epoch', ({ bestEpoch }) => (bestEpoch === null ? '-' : String(bestEpoch))],
    ...metricColumns.slice(0, 1),
    ...baselineColumns,
    ...metricColumns.slice(1),
    ...optional(
      ['channel', ({ channels }) => channels.join(', ') || '-'],
      runs.some(({ channels }) => channels.length > 0),
    ),
  ];
  return table(
    columns.map(([name]) => name),
    runs.map((run) => columns.map(([, format]) => format(run))),
    screen,
  );
}

/** Header of a column, and its text for a run. */
type Column = readonly [string, (run: ShownRun) => string];

function optional(column: Column, isShown: boolean): readonly Column[] {
  return isShown ? [column] : [];
}

function formatProgress({ epoch, epochs, records }: ListedRun): string {
  if (records !== null) return `${count(records)} records`;
  return epochs === null ? String(epoch) : `${epoch}/${epochs}`;
}

function formatTime({ state, leftMs, elapsedMs, records }: ListedRun): string {
  if (state !== 'running' || records !== null) return duration(elapsedMs);
  return leftMs === null ? '?' : `${duration(leftMs)} left`;
}

function formatMetric(reported: Pick<ListedRun, 'metrics'>, metric: string): string {
  return getMetric(reported, metric)?.toFixed(4) ?? '-';
}

/** Selects the first reported metric of each output, for runs without a monitor. */
function firstMetrics(runs: readonly ListedRun[]): readonly string[] {
  const byOutput = new Map<string, string>();
  for (const name of runs.flatMap((run) => Object.keys(flattenMetrics(run)))) {
    const [, output = '', metric = ''] = /^[^.]*\.(.*)\.([^.]*)$/.exec(name) ?? [];
    if (metric !== 'rows' && metric !== 'positives' && !byOutput.has(output))
      byOutput.set(output, `${output}.${metric}`);
  }
  return [...byOutput.values()];
}

function formatCsv(runs: readonly ShownRun[]): string {
  const rows = runs.map(({ metrics, changes, channels, alarms, baseline, ...run }) => ({
    ...run,
    changes: changes.join(' '),
    channels: channels.join(' '),
    alarms: alarms.join('; '),
    ...flattenMetrics({ metrics }),
    ...(baseline !== null && flattenMetrics({ metrics: { [`${baseline.name} ${baseline.split}`]: baseline.metrics } })),
  })) as readonly Record<string, string | number | null>[];
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return csvText([columns, ...rows.map((row) => columns.map((column) => row[column] ?? ''))]);
}
