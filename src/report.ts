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
import { reportPage } from './report/page.js';
import { readReportedRun, type ReportedRun } from './report/reported-run.js';
import { missingRun } from './runs/run-folder.js';
import { RESOLVED, SOURCE } from './runs/run-log.js';
import { runPath, shownPath } from './runs/runs-root.js';

/** File name of the report in a run directory. */
export const REPORT = 'report.html';

export interface ReportOptions {
  readonly runs: readonly string[];
  /** Output file; default: report.html in the directory of the one run, or in the working directory. */
  readonly out?: string | undefined;
  /** Configs of runs that are already loaded, by the paths in `runs`; the others are read from the run directories. */
  readonly known?: ReadonlyMap<string, Experiment>;
}

/**
 * Writes a self-contained HTML page about one run, or about several to compare.
 * @returns the path of the page
 * @throws UserError (usage) if a path is no run; (disk) if the page cannot be written
 */
export async function report({ runs, out, known }: ReportOptions): Promise<string> {
  const experiments = new Map(runs.map((run) => [resolveRun(run), known?.get(run)]));
  const folders = [...experiments.keys()];
  const path = out ?? (folders.length === 1 ? join(folders[0]!, REPORT) : REPORT);
  const names = shortenNames(folders);
  await writeFileAtomic(
    path,
    reportPage(
      folders.map((folder, r) =>
        readReportedRun(folder, names[r]!, readConfig(folder, experiments.get(folder)), wallClockMs()),
      ),
    ),
  );
  return path;
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
function readConfig(folder: string, known: Experiment | undefined): Pick<ReportedRun, 'changes' | 'config'> {
  const path = join(folder, RESOLVED);
  const text = known === undefined && existsSync(path) ? readFileSync(path, 'utf8') : '{}';
  try {
    const experiment = known ?? parseStoredConfig(text, path);
    const changes = listChanges(experiment).map(({ key, value, byDefault }) => ({
      key,
      value: formatValue(value),
      byDefault: byDefault === undefined ? undefined : formatValue(byDefault),
    }));
    return { changes, config: formatValues(experiment) };
  } catch {
    return { changes: [], config: parseValues(text) };
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
