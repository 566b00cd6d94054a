import { availableParallelism } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseStoredConfig } from './config/load.js';
import { parseOverride, type Override } from './config/overrides.js';
import type { EngineOptions } from './engines/engines.js';
import { kernelChoice } from './engines/kernel-choice.js';
import { userError } from './core/errors.js';
import { AUTO } from './runs/open-run.js';
import { runsRoot, shownPath } from './runs/runs-root.js';
import { openJournal } from './study/journal.js';
import { launchers } from './study/launchers/launchers.js';
import { leaderboard, type ListedTrial } from './study/leaderboard.js';
import { loadStudy } from './study/load-study.js';
import { locateStudy, openStudy, readStudy, type Study } from './study/study.js';
import { isOver, runTrials } from './study/worker-loop.js';
import type { Trial } from './study/trial.js';
import { train } from './train.js';

/** The command that starts the workers. */
const BIN = fileURLToPath(new URL('../bin/mtl.js', import.meta.url));
/** Directory of a study with the logistic baselines of its trials. */
const BASELINES = 'baselines';
const POLL_INTERVAL_MS = 500;

/** Command-line options of `sweep`. */
export interface SweepOptions extends EngineOptions {
  /** For keys of the study file itself. */
  readonly overrides: readonly Override[];
  /** Abort to stop the workers; they save their trials, and the study can be resumed. */
  readonly signal: AbortSignal;
}

/** Receives the events of a study. */
export interface SweepObserver {
  onStart(
    study: Study,
    facts: { readonly isNew: boolean; readonly numChecked: number; readonly numOver: number; readonly where: string },
  ): void;
  /** Called once for each trial that has a result. */
  onTrial(study: Study, trial: ListedTrial, board: readonly ListedTrial[]): void;
  onLook(study: Study, board: readonly ListedTrial[]): void;
}

export interface SweepResult {
  readonly study: Study;
  readonly end: 'finished' | 'interrupted';
  /** Sorted, best trial first. */
  readonly board: readonly ListedTrial[];
}

/**
 * Starts or resumes a study: validates all configs, launches workers and waits for the last trial.
 * @throws UserError (config) if any config is invalid, (usage) if all workers exited early; errors of the launcher
 */
export async function sweep(
  path: string,
  { overrides, device, threads, signal }: SweepOptions,
  observer: SweepObserver,
): Promise<SweepResult> {
  const { facts, source, configText, runs, numChecked } = await loadStudy(path, overrides);
  const { study, isNew } = await openStudy(locateStudy(runsRoot(runs), facts.options.name), facts, source, configText);
  const journal = await openJournal(study.folder);
  const reported = new Set(journal.trials.filter(({ result }) => result !== undefined).map(({ number }) => number));
  const { launcher: spec, parallel } = study.options;
  const count = Math.min(parallel, Math.max(1, study.numTrials - reported.size));
  const ownThreads =
    threads ?? (launchers.partOf(spec).isHere ? Math.max(1, Math.floor(availableParallelism() / count)) : undefined);
  const args = ['sweep', 'worker', study.folder, '--device', device, '--threads', String(ownThreads ?? 'auto')];
  const kernels = kernelChoice();
  // Passed explicitly, because a worker on another machine does not inherit this environment. With `auto`, the worker's
  // own environment decides.
  if (kernels !== 'auto') args.push('--kernels', kernels);

  const isDone = isOver(study, journal.trials);
  const workers = isDone
    ? undefined
    : await launchers.build(spec)({ study: study.folder, count, mtl: [process.execPath, BIN], args });
  observer.onStart(study, {
    isNew,
    numChecked,
    numOver: reported.size,
    where: workers?.where ?? 'no workers, because all trials are done',
  });
  try {
    while (workers !== undefined && !signal.aborted) {
      // Checked before the refresh, so that the last writes of an exited worker are read.
      const alive = await workers.areAlive().catch((error: unknown) => ({ error }));
      await journal.refresh();
      reportTrials(study, journal.trials, reported, observer);
      // Other workers may have run the trials of one that failed.
      if (isOver(study, journal.trials)) break;
      if (typeof alive === 'object') throw alive.error;
      if (!alive)
        throw userError('usage', {
          where: shownPath(study.folder),
          message: 'all workers exited before the last trial',
          fix: 'run the same mtl sweep again to resume',
        });
      await setTimeout(POLL_INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    await workers?.stop();
  }
  await journal.refresh();
  reportTrials(study, journal.trials, reported, observer);
  return {
    study,
    end: isOver(study, journal.trials) ? 'finished' : 'interrupted',
    board: leaderboard(journal.trials, study.goal),
  };
}

function reportTrials(study: Study, trials: readonly Trial[], reported: Set<number>, observer: SweepObserver): void {
  const board = leaderboard(trials, study.goal);
  for (const { number, result } of trials) {
    if (result === undefined || reported.has(number)) continue;
    reported.add(number);
    observer.onTrial(
      study,
      board.find((trial) => trial.number === number)!,
      board,
    );
  }
  observer.onLook(study, board);
}

/**
 * Runs trials of a study until none is left.
 * @param signal abort to save the current trial, release it and return
 */
export async function work(
  folder: string,
  { device, threads, signal, log }: EngineOptions & { readonly signal: AbortSignal; log(text: string): void },
): Promise<void> {
  const study = readStudy(folder);
  const { config, configText } = study;
  await runTrials(study, await openJournal(folder), {
    signal,
    log,
    train(run) {
      const experiment = parseStoredConfig(configText, config, run.settings.map(parseOverride));
      return train(
        { experiment, source: configText },
        {
          device,
          threads,
          runDir: run.folder,
          resume: AUTO,
          baselines: { folder: join(folder, BASELINES), seed: study.seeds[0]! },
          overrides: run.settings,
          signal: run.signal,
        },
        {
          onRead: () => undefined,
          onStart: () => undefined,
          onStep: () => undefined,
          onWarning: log,
          // After its last epoch, a run ends anyway, so it is not reported for pruning.
          onValidation: ({ isEpochEnd, epoch, valid }) =>
            isEpochEnd && epoch < experiment.training.epochs ? run.onEpoch(epoch, valid?.monitored ?? null) : undefined,
        },
      );
    },
  });
}
