import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { monotonicMs, wallClockMs } from '../system/clock.js';
import { isTaken } from '../runs/lock.js';
import { METRICS } from '../runs/metric-lines.js';
import { describeRun, findRuns, type ListedRun } from '../runs/run-list.js';
import { LOG, RESULTS, SOURCE } from '../runs/run-log.js';
import { SUMMARY } from '../runs/summary.js';

/** Time after which new run directories are searched for again. */
const SEARCH_EVERY_MS = 5000;
/** Maximum number of speeds per run. */
const MAX_SPEEDS = 600;

/** A measured speed of a run. */
export interface Speed {
  readonly step: number;
  readonly stepsPerSecond: number;
}

/** A run as last read. */
export interface WatchedRun {
  readonly folder: string;
  /** Differs if the run's files changed. */
  readonly version: string;
  readonly about: ListedRun;
  /** Speeds that were observed while it was being trained. */
  readonly speeds: readonly Speed[];
}

/** Reads runs again if their files changed. It never writes. */
export class RunWatch {
  readonly root: string;
  readonly #runs = new Map<string, WatchedRun>();
  readonly #steps = new Map<string, { readonly step: number; readonly atMs: number }>();
  #folders: readonly string[] = [];
  #searchedMs = -Infinity;

  /** @param root directory of all runs */
  constructor(root: string) {
    this.root = root;
  }

  /** Returns the directories of all runs, the newest first. */
  folders(): readonly string[] {
    const nowMs = monotonicMs();
    if (nowMs - this.#searchedMs >= SEARCH_EVERY_MS) {
      const started = (folder: string): number =>
        statSync(join(folder, SOURCE), { throwIfNoEntry: false })?.mtimeMs ?? 0;
      this.#folders = findRuns(this.root)
        .map((folder) => ({ folder, at: started(folder) }))
        .sort((a, b) => b.at - a.at)
        .map(({ folder }) => folder);
      for (const known of this.#runs.keys()) if (!this.#folders.includes(known)) this.#runs.delete(known);
      this.#searchedMs = nowMs;
    }
    return this.#folders;
  }

  /** Returns a run, read again if its files changed; undefined if it was removed. */
  read(folder: string): WatchedRun | undefined {
    if (!existsSync(join(folder, SOURCE))) return undefined;
    const version = versionOf(folder);
    const known = this.#runs.get(folder);
    if (known?.version === version) return known;
    const about = describeRun(folder, wallClockMs());
    const run = { folder, version, about, speeds: this.#addSpeed(folder, about, known?.speeds ?? []) };
    this.#runs.set(folder, run);
    return run;
  }

  #addSpeed(folder: string, { state, step }: ListedRun, speeds: readonly Speed[]): readonly Speed[] {
    const before = this.#steps.get(folder);
    if (state !== 'running' || before?.step === step) return speeds;
    const atMs = monotonicMs();
    this.#steps.set(folder, { step, atMs });
    if (before === undefined || step < before.step) return speeds;
    const stepsPerSecond = (1000 * (step - before.step)) / (atMs - before.atMs);
    return [...speeds, { step, stepsPerSecond }].slice(-MAX_SPEEDS);
  }
}

/** Returns a text that differs if the files of a run, or whether a process trains it, changed. */
function versionOf(folder: string): string {
  const files = [LOG, METRICS, RESULTS, SUMMARY].map((name) => {
    const found = statSync(join(folder, name), { throwIfNoEntry: false });
    return found === undefined ? '' : `${found.size}@${found.mtimeMs}`;
  });
  return [...files, isTaken(folder)].join();
}
