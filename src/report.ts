import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { parse } from 'yaml';
import { wallClockMs } from './system/clock.js';
import { listChanges } from './config/changes.js';
import type { Experiment } from './config/experiment.js';
import { parseStoredConfig } from './config/load.js';
import { writeFileAtomic } from './io/disk.js';
import { userError } from './core/errors.js';
import { flatten } from './core/flatten.js';
import { diff, type DiffOptions } from './diff.js';
import { resolveMeasuring } from './evaluation/options.js';
import type { Reference } from './report/comparison.js';
import { renderPage, type Page } from './charts/page.js';
import { readServer, type LiveServer } from './report/live-server.js';
import { drawReport } from './report/page.js';
import { readReportedRun, type ReportedRun } from './report/reported-run.js';
import { isCompared, type ShownComparison } from './report/shown-comparison.js';
import { missingRun } from './runs/run-folder.js';
import { findPreviousRun } from './runs/run-list.js';
import { RESOLVED, SOURCE } from './runs/run-log.js';
import { runPath, runsRoot, shownPath } from './runs/runs-root.js';

/** File name of the report in a run directory. */
export const REPORT = 'report.html';

export interface ReportOptions {
  readonly runs: readonly string[];
  /** Output file; default: report.html in the directory of the one run, or in the working directory. */
  readonly out?: string | undefined;
  /** A server that compares one of the runs with another one; default: none. */
  readonly server?: LiveServer | undefined;
  /** Cancels the requests to it. */
  readonly signal?: AbortSignal | undefined;
  /** Configs of runs that are already loaded, by the paths in `runs`; the others are read from the run directories. */
  readonly known?: ReadonlyMap<string, Experiment>;
  /** How to predict the test set with two runs to pair their rows; default: recorded metrics, without pairs. */
  readonly predict?: Omit<DiffOptions, 'paths' | 'isRecorded'> | undefined;
}

/**
 * Writes a self-contained HTML page about one run, or about several to compare. One run is compared with the previous
 * run of its config name, several with the first.
 * @returns the path of the page
 * @throws UserError (usage) if a path is no run, or the server compares none of them; (disk) if the page cannot be
 * written
 */
export async function report({ runs, out, known, server, signal, predict }: ReportOptions): Promise<string> {
  const experiments = new Map(runs.map((run) => [resolveRun(run), known?.get(run)]));
  const folders = [...experiments.keys()];
  const path = out ?? (folders.length === 1 ? join(folders[0]!, REPORT) : REPORT);
  const live = server && (await readServer(server, signal ?? new AbortController().signal));
  if (live !== undefined) refuseOthers(folders, live);
  const compared: ReportedRun[] = [];
  for (const { folder, run, reference } of readCompared(folders, runsRoot(), (read) => experiments.get(read), live))
    compared.push(
      reference === undefined
        ? run
        : { ...run, references: [{ ...reference.run, ...(await pairRows(reference.folder, folder, predict)) }] },
    );
  await writeFileAtomic(path, renderPage(drawReport(compared)));
  return path;
}

/**
 * Draws the report of one run or several from recorded metrics alone.
 * @param folders run directories, with links followed
 * @param root directory of all runs
 */
export function drawRecorded(folders: readonly string[], root = runsRoot()): Page {
  return drawReport(
    readCompared(folders, root).map(({ run, reference }) =>
      reference ? { ...run, references: [reference.run] } : run,
    ),
  );
}

/** A run of a report, and the one that it is compared with. */
interface ComparedRun {
  readonly folder: string;
  readonly run: ReportedRun;
  readonly reference?: ComparedRun;
}

/** Reads runs. One run is compared with the previous run of its config name, several with the first. */
function readCompared(
  folders: readonly string[],
  root: string,
  getKnown: (folder: string) => Experiment | undefined = () => undefined,
  live?: ShownComparison,
): readonly ComparedRun[] {
  const previous = folders.length === 1 ? findPreviousRun(folders[0]!) : undefined;
  const all = previous === undefined ? folders : [previous, ...folders];
  const names = shortenNames(all);
  const read = (folder: string, name: string): ReportedRun => {
    const run = readReportedRun(folder, root, name, readConfig(folder, getKnown(folder)), wallClockMs());
    return live !== undefined && isCompared(folder, live) ? { ...run, live: [...run.live, live] } : run;
  };
  const [first, ...others] = all.map((folder, r): ComparedRun => ({ folder, run: read(folder, names[r]!) })) as [
    ComparedRun,
    ...ComparedRun[],
  ];
  if (previous === undefined) return [first, ...others.map((other) => ({ ...other, reference: first }))];
  const run = { ...first.run, name: `previous run ${first.run.name}` };
  return others.map((other) => ({ ...other, reference: { ...first, run } }));
}

/** Compares the predictions of two runs on the same rows. A failure is a note: the report has recorded metrics. */
async function pairRows(
  a: string,
  b: string,
  predict: ReportOptions['predict'],
): Promise<Pick<Reference, 'paired' | 'note'>> {
  const unpaired = `Differences between ${shownPath(a)} and ${shownPath(b)} are of independent samples`;
  if (predict === undefined) return { note: `${unpaired}; mtl report pairs the rows.` };
  try {
    const found = await diff({ ...predict, paths: [a, b], isRecorded: false });
    const note = found.unpaired === null ? {} : { note: `${unpaired}: ${found.unpaired}.` };
    return { ...note, paired: found.metrics };
  } catch (error) {
    predict.signal.throwIfAborted();
    return { note: `${unpaired}: ${error instanceof Error ? error.message : String(error)}.` };
  }
}

function refuseOthers(folders: readonly string[], live: ShownComparison): void {
  if (folders.some((folder) => isCompared(folder, live))) return;
  throw userError('usage', {
    where: `--live ${live.source}`,
    message: `the server compares ${live.candidate} with ${live.present}, found ${folders.join(', ')}`,
    fix: 'name one of them',
  });
}

/** Resolves a run to its directory, following links. */
function resolveRun(named: string): string {
  const path = runPath(named);
  if (existsSync(join(path, SOURCE))) return shownPath(realpathSync(path));
  const problem = existsSync(path) ? { message: `is not a run directory: it has no ${SOURCE}` } : missingRun(path);
  throw userError('usage', { where: path, fix: 'pass runs, as in runs/latest or runs/esmm/001', ...problem });
}

/** Shortens paths to their last two parts if these are unique. */
function shortenNames(folders: readonly string[]): readonly string[] {
  const short = folders.map((folder) => join(basename(dirname(folder)), basename(folder)));
  return new Set(short).size === short.length ? short : folders;
}

/** Reads the config of a run; its raw values if this version cannot parse it. */
function readConfig(
  folder: string,
  known: Experiment | undefined,
): Pick<ReportedRun, 'changes' | 'config' | 'measures'> {
  const path = join(folder, RESOLVED);
  const text = known === undefined && existsSync(path) ? readFileSync(path, 'utf8') : '{}';
  try {
    const experiment = known ?? parseStoredConfig(text, path);
    const changes = listChanges(experiment).map(({ key, value, byDefault }) => ({
      key,
      value: formatValue(value),
      byDefault: byDefault === undefined ? undefined : formatValue(byDefault),
    }));
    return { changes, config: formatValues(experiment), measures: resolveMeasuring(experiment.evaluation).metrics };
  } catch {
    return { changes: [], config: parseValues(text), measures: resolveMeasuring().metrics };
  }
}

function parseValues(text: string): ReadonlyMap<string, string> {
  try {
    return formatValues(parse(text) as object);
  } catch {
    return new Map();
  }
}

/** Formats every value of a config, by key path. */
function formatValues(config: object): ReadonlyMap<string, string> {
  return new Map([...flatten(config)].map(([key, value]) => [key, formatValue(JSON.parse(value))]));
}

/** Formats a value as in YAML. */
function formatValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value).replace(/","/g, '", "');
}
