import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { loadConfig, loadStoredConfig, type LoadedConfig } from '../config/load.js';
import { parseOverride, type Override } from '../config/overrides.js';
import { checkOverrides } from '../config/stored.js';
import type { Device } from '../engines/device.js';
import { EXIT_CODES, UserError, userError } from '../core/errors.js';
import { AUTO } from '../runs/open-run.js';
import { missingRun } from '../runs/run-folder.js';
import { RESOLVED } from '../runs/run-log.js';
import { runPath } from '../runs/runs-root.js';
import { addTrackedFile } from '../runs/tracked-log.js';
import { openPeers, type OpenPeers } from '../cluster/open-peers.js';
import { train } from '../train.js';
import type { TrainObserver, TrainResult, TrainStart } from '../training/observer.js';
import {
  count,
  milestoneLines,
  reportTable,
  shareLine,
  startLines,
  stepLine,
  streamLine,
  windowLine,
} from './format.js';
import { nextCommands } from './next-commands.js';
import { createOutput, type LogLevel, type Output } from './output.js';
import { runUntilSignal } from './signals.js';
import { MTL } from '../system/command-name.js';

export interface TrainArguments {
  /** Undefined with `resume`: the config of that run. */
  readonly config: string | undefined;
  readonly set: readonly string[];
  readonly device: Device;
  readonly threads: number | undefined;
  readonly name: string | undefined;
  readonly runDir: string | undefined;
  readonly resume: string | undefined;
  readonly verifyData: boolean;
  /** Whether to train on a stream, and whether to end with it. */
  readonly follow: boolean;
  readonly untilEnd: boolean;
  /** Whether to train a logistic baseline. */
  readonly baseline: boolean;
  /** Whether to write report.html at the end. */
  readonly report: boolean;
  readonly level: LogLevel;
  readonly json: boolean;
}

/** Runs `mtl train` and prints progress and metrics. Returns the exit code. */
export async function runTrain(options: TrainArguments): Promise<number> {
  const { name, runDir, resume, report, level, json } = options;
  rejectTwoRuns(resume, { name, 'run-dir': runDir });
  const peers = openPeers();
  // Rank 0 prints for all; a fatal error is printed by any rank.
  const output = peers.rank === 0 ? createOutput(json, level) : createOutput(false, 'error');
  const { screen, warn, result } = output;
  return runUntilSignal(
    (signal) => warn(`${signal}: stopping after this step; send it again to quit immediately`),
    async (stop) => {
      const { trained, experiment } = await trainCollectively(options, peers, output, stop.signal);
      peers.end();
      warnOfSkipped(trained, warn);
      if (stop.received !== undefined && trained.end === 'interrupted') {
        const last = join(trained.run, 'checkpoints', 'last');
        warn(`stopped by ${stop.received}; ${existsSync(last) ? `saved as ${last}` : 'nothing to save yet'}`);
        result(trained);
        return EXIT_CODES[stop.received];
      }
      printResult(trained, screen);
      if (report && peers.rank === 0) await writeReport(trained.run, experiment, screen.print, warn);
      if (!json) screen.print(nextCommands(trained.run, experiment.data));
      result(trained);
      return EXIT_CODES.done;
    },
  );
}

/** Loads the config and trains in all ranks, and prints progress. */
async function trainCollectively(
  { config, set, resume, threads, follow, ...options }: TrainArguments,
  peers: OpenPeers,
  { screen, warn }: Output,
  signal: AbortSignal,
): Promise<{ readonly trained: TrainResult; readonly experiment: LoadedConfig['experiment'] }> {
  let start: TrainStart | undefined;
  const observer: TrainObserver = {
    onRead: ({ what, share }) => screen.live(() => shareLine(what, share)),
    onWarning: warn,
    onStart: (started) => {
      start = started;
      screen.print(startLines(started));
    },
    onStep: (progress) => screen.live((columns) => (follow ? streamLine : stepLine)(progress, start!, columns)),
    onValidation: (milestone) => screen.print(milestoneLines(milestone, start!, screen)),
    onWindow: (window) => screen.print(windowLine(window)),
  };
  const { device, name, runDir, verifyData, untilEnd, baseline } = options;
  const settings = { device, name, runDir, verifyData, untilEnd, baseline, follow, resume, peers, signal };
  return peers.runCollectively(async () => {
    const overrides = set.map(parseOverride);
    const loaded = await loadTrained(config, resume, overrides);
    if (follow) (await import('../engines/cpu/load-kernels.js')).waitForKernels();
    const all = { ...settings, threads: threads ?? peers.threads, overrides: set };
    return { trained: await train(loaded, all, observer), experiment: loaded.experiment };
  });
}

/**
 * Loads the config, or the config of the run to resume.
 * @throws UserError (config) for overrides that cannot change on resume, even if they make the config invalid
 */
async function loadTrained(
  config: string | undefined,
  resume: string | undefined,
  overrides: readonly Override[],
): Promise<LoadedConfig> {
  try {
    return await (config === undefined
      ? loadStoredConfig(findConfig(resume), overrides)
      : loadConfig(config, overrides));
  } catch (error) {
    if (error instanceof UserError && error.kind === 'config' && resume !== undefined && resume !== AUTO)
      checkOverrides((await loadStoredConfig(findConfig(resume))).experiment, overrides);
    throw error;
  }
}

/** Warns about batches and rows that were skipped. */
function warnOfSkipped({ run, rejectedRows, numSkippedBatches }: TrainResult, warn: Output['warn']): void {
  if (numSkippedBatches > 0)
    warn(`${count(numSkippedBatches)} batches were skipped because their loss was not finite; log.jsonl lists them`);
  if (rejectedRows > 0)
    warn(`${count(rejectedRows)} invalid rows were skipped; they are listed in ${join(run, 'rejects.csv')}`);
}

function printResult(
  { run, end, bestEpoch, bestStep, metrics, baseline }: TrainResult,
  screen: Output['screen'],
): void {
  if (end === 'stopped early') screen.print('stopped early: validation no longer improves');
  if (metrics['test'] !== undefined)
    screen.print(
      `${screen.bold('test')}, with the weights of epoch ${bestEpoch}, step ` +
        `${count(bestStep)}\n${reportTable('test', metrics['test'], screen)}`,
    );
  if (baseline !== undefined)
    screen.print(
      `${screen.bold(`${baseline.name} baseline`)}, trained on ${count(baseline.rows)} rows over all epochs\n` +
        reportTable(baseline.split, baseline.metrics, screen),
    );
  screen.print(`run directory ${run}`);
}

/** Rejects a second name for a resumed run. */
function rejectTwoRuns(resume: string | undefined, others: Readonly<Record<string, string | undefined>>): void {
  const [option] = Object.entries(others).find(([, value]) => value !== undefined) ?? [];
  if (resume !== undefined && resume !== AUTO && option !== undefined)
    throw userError('usage', {
      where: `--${option}`,
      message: `conflicts with --resume ${resume}, which continues in that run's directory`,
      fix: `remove --${option}, or start a new run from its weights with --init-from ${resume}`,
    });
}

/** Writes the report of a completed run. A failure only prints a warning: the run itself is complete. */
export async function writeReport(
  run: string,
  experiment: LoadedConfig['experiment'],
  print: (text: string) => void,
  warn: (text: string) => void,
): Promise<void> {
  try {
    // Loaded on demand.
    const { report } = await import('../report.js');
    const path = await report({ runs: [run], known: new Map([[run, experiment]]) });
    print(`report ${path}`);
    await addTrackedFile(run, { path: basename(path), file: path }, warn);
  } catch (error) {
    warn(
      `cannot write the report: ${error instanceof Error ? error.message : String(error)}; retry with ` +
        `${MTL} report ${run}`,
    );
  }
}

/**
 * Finds the config of the run to resume.
 * @throws UserError (usage) if there is none
 */
export function findConfig(resume: string | undefined): string {
  if (resume !== undefined && resume !== AUTO) {
    const run = runPath(resume);
    const config = join(run, RESOLVED);
    if (existsSync(config)) return config;
    const problem = existsSync(run) ? { message: `is not a run directory: it has no ${RESOLVED}` } : missingRun(run);
    throw userError('usage', {
      where: `--resume ${resume}`,
      fix: 'pass a run, as in runs/latest or runs/esmm/001',
      ...problem,
    });
  }
  throw userError('usage', {
    where: 'mtl train',
    message: 'missing config',
    fix: `use ${MTL} train configs/esmm.yaml, or --resume RUN`,
  });
}
