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

/** The page in the folder of a run. */
export const REPORT = 'report.html';

/** Which runs are shown, and where. */
export interface ReportOptions {
  readonly runs: readonly string[];
  /** By default report.html, in the folder of the one run or in the working directory. */
  readonly out?: string | undefined;
  /**
   * What the configs of runs say, by their paths as they are given, where it is known: others are read from their
   * folders.
   */
  readonly known?: ReadonlyMap<string, Experiment>;
}

/**
 * Draws what the folders of runs tell as a page that is whole in itself.
 * @returns its path
 * @throws UserError (usage) for what is no run; (disk)
 */
export async function report({ runs, out, known }: ReportOptions): Promise<string> {
  const experiments = new Map(runs.map((run) => [folderOf(run), known?.get(run)]));
  const folders = [...experiments.keys()];
  const path = out ?? (folders.length === 1 ? join(folders[0]!, REPORT) : REPORT);
  const names = namesOf(folders);
  await writeFileAtomic(
    path,
    reportPage(
      folders.map((folder, r) =>
        readReportedRun(folder, names[r]!, askedOf(folder, experiments.get(folder)), wallClockMs()),
      ),
    ),
  );
  return path;
}

/** The folder of a run, links followed. */
function folderOf(named: string): string {
  const path = runPath(named);
  if (existsSync(join(path, SOURCE))) return shownPath(realpathSync(path));
  const problem = existsSync(path) ? { message: `is no run: it holds no ${SOURCE}` } : missingRun(path);
  throw userError('usage', { where: path, fix: 'name runs, as in runs/latest or runs/esmm/001', ...problem });
}

/** Names by which runs are told apart: the last two parts of their paths, or else all of them. */
function namesOf(folders: readonly string[]): readonly string[] {
  const short = folders.map((folder) => join(basename(dirname(folder)), basename(folder)));
  return new Set(short).size === short.length ? short : folders;
}

/** What a run's config says; as it stands where it is none of this version's. */
function askedOf(folder: string, known: Experiment | undefined): Pick<ReportedRun, 'changes' | 'config'> {
  const path = join(folder, RESOLVED);
  const text = known === undefined && existsSync(path) ? readFileSync(path, 'utf8') : '{}';
  try {
    const experiment = known ?? parseStoredConfig(text, path);
    const changes = listChanges(experiment).map(({ key, value, byDefault }) => ({
      key,
      value: shown(value),
      byDefault: byDefault === undefined ? undefined : shown(byDefault),
    }));
    return { changes, config: textsOf(experiment) };
  } catch {
    return { changes: [], config: configText(text) };
  }
}

function configText(text: string): ReadonlyMap<string, string> {
  try {
    return textsOf(parse(text) as object);
  } catch {
    return new Map();
  }
}

/** Every value of a config, by the path of its key. */
function textsOf(config: object): ReadonlyMap<string, string> {
  return new Map([...flatten(config)].map(([key, value]) => [key, shown(JSON.parse(value))]));
}

/** A value as a config would say it. */
function shown(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value).replace(/","/g, '", "');
}
