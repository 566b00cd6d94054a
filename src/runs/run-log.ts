import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { appendFile, open, rm } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { pino, type Logger } from 'pino';
import { z } from 'zod';
import { monotonicMs, wallClockMs } from '../system/clock.js';
import type { Report } from '../evaluation/evaluation.js';
import type { StateSection } from '../core/state-section.js';
import type { DiagnosisReport } from '../training/diagnostics.js';
import type { ValidationEvent } from '../training/loop.js';
import type { StepReport } from '../training/steps-in-flight.js';
import type { Evaluation } from '../training/monitor.js';
import type { LoopState } from '../training/loop-state.js';
import type { StreamWindow, TrainResult } from '../training/observer.js';
import { renameBusy } from '../io/busy.js';
import { cutFile, onDisk, onDiskSync, writeFileAtomic } from '../io/disk.js';
import { syncFile } from '../io/sync-file.js';
import { allSettledOrThrow } from './await-all.js';
import { ENVIRONMENT, type WarmStartSource } from './init-from.js';
import { openLineFile } from './line-file.js';
import { METRICS, readMetricLines, trainedIn } from './metric-lines.js';
import { packageCommit, packageVersion } from './package-version.js';
import { resultsTable } from './results-table.js';
import { readScores, SCORES, writeScores, type ScoreFile } from './score-file.js';
import { SUMMARY, writeSummary } from './summary.js';

export interface LogRequest {
  /** The config file, unchanged. */
  readonly source: string;
  /** The config with defaults and overrides, YAML. */
  readonly config: string;
  /** Values of the option `--set`. */
  readonly overrides: readonly string[];
  readonly engine: { readonly name: string; readonly description: string };
  /** Source of the initial weights; undefined if randomly initialized. */
  readonly origin?: WarmStartSource | undefined;
}

/** The unchanged config: the first file of a run, which identifies its directory as a run. */
export const SOURCE = 'config.source.yaml';
export const RESOLVED = 'config.resolved.yaml';
/** File of events, in JSON Lines. */
export const LOG = 'log.jsonl';
/** Values of `--set`, one per line. */
export const OVERRIDES = 'overrides.txt';
/** Final metrics; a run without this file is not completed. */
export const RESULTS = 'results.csv';
/** Number of invalid rows that were skipped. */
export const REJECTS = 'rejects.csv';

const logStateSchema = z.strictObject({
  /** Size of metrics.jsonl up to the checkpoint. */
  metricsBytes: z.int().min(0),
});
type LogState = z.output<typeof logStateSchema>;

/** The log's section of a checkpoint. */
export const logSection: StateSection<LogState> = { name: 'log', version: 1, schema: logStateSchema };

/** Log of a run's events and measurements. */
export interface RunLog {
  /**
   * Marks the start of training. For a resumed run, truncates files to the checkpoint and records the current request.
   * @param data facts about the data, for data.json
   * @throws UserError (disk)
   */
  begin(data: object): Promise<void>;
  /** File for invalid rows; a resumed run uses a temporary file until `begin`. */
  readonly rejectsPath: string;
  /** Appends an event to `log.jsonl`. */
  event(name: string, details: object): void;
  /** Appends the error that ends the run to `log.jsonl`. */
  failure(error: unknown): void;
  /** Appends a line to `metrics.jsonl` and syncs it. */
  milestone(milestone: ValidationEvent): Promise<void>;
  /** Appends a line to `metrics.jsonl`, which is synced with the next milestone. */
  steps(report: StepReport): void;
  /** As `steps`, for a diagnosed step. */
  diagnosis(report: DiagnosisReport): void;
  /** Appends a window of a stream to `metrics.jsonl`, which is synced with the next checkpoint. */
  window(window: StreamWindow): void;
  /**
   * Writes the metrics of the best weights to `metrics.jsonl` and `results.csv`.
   * @param evaluations evaluations that are not yet in the log
   * @returns reports by split
   */
  results(best: BestWeights, evaluations: BestFound): Promise<Readonly<Record<string, Report>>>;
  /**
   * Ends a run that did not fail.
   * @returns the result, which is also written to `summary.json`
   */
  end(facts: RunFacts, loop: LoopState): Promise<TrainResult>;
}

/** The best weights of a run. */
export type BestWeights = Pick<LoopState, 'bestEpoch' | 'bestStep' | 'bestReport'>;

/** Final evaluations of the best weights; without `valid`, the report of the best epoch is used. */
export interface BestFound {
  readonly valid?: Omit<Evaluation, 'loss'> | undefined;
  readonly test?: Omit<Evaluation, 'loss'> | undefined;
}

export type RunFacts = Pick<
  TrainResult,
  'end' | 'name' | 'model' | 'seed' | 'monitor' | 'metrics' | 'baseline' | 'rejectedRows'
>;

/**
 * Opens the log of a run. For a new run, writes config.source.yaml, config.resolved.yaml, overrides.txt and
 * environment.json. For a resumed run, changes only log.jsonl until `begin`.
 * @param state updated in place with the size of metrics.jsonl
 * @throws UserError (disk)
 */
export async function openRunLog(run: string, request: LogRequest, state: LogState, isNew: boolean): Promise<RunLog> {
  // Started early, so that git runs while files are written; it never rejects.
  const commit = packageCommit();
  const startMs = monotonicMs();
  if (isNew) await writeFirstFiles(run, request, commit);
  const log = new FileLog(run, request, state, { isNew, startMs });
  if (!isNew)
    log.event('resume', { overrides: request.overrides, ...(await collectEnvironment(request.engine, commit)) });
  return log;
}

async function writeFirstFiles(
  run: string,
  { source, config, overrides, engine, origin }: LogRequest,
  commit: Promise<string | null>,
): Promise<void> {
  // A run without a checkpoint, which starts from the beginning, may have left these.
  for (const name of [RESULTS, REJECTS, METRICS, SUMMARY, SCORES])
    if (existsSync(join(run, name))) await onDisk(join(run, name), () => rm(join(run, name)));
  await writeFileAtomic(join(run, SOURCE), source);
  const environment = async (): Promise<string> => {
    const found = await collectEnvironment(engine, commit);
    return `${JSON.stringify({ ...found, ...(origin !== undefined && { initFrom: origin }) }, null, 2)}\n`;
  };
  await allSettledOrThrow([
    writeFileAtomic(join(run, RESOLVED), config),
    writeFileAtomic(join(run, OVERRIDES), overrideLines(overrides)),
    environment().then((text) => writeFileAtomic(join(run, ENVIRONMENT), text)),
  ]);
}

function overrideLines(overrides: readonly string[]): string {
  return overrides.map((text) => `${text}\n`).join('');
}

/** A log in the files of a run's directory. */
class FileLog implements RunLog {
  readonly rejectsPath: string;
  readonly #run: string;
  readonly #request: LogRequest;
  readonly #state: LogState;
  readonly #isNew: boolean;
  readonly #startMs: number;
  readonly #logger: Logger;
  /** Whether the log may change the files of the run: a resumed one, from `begin` on. */
  #hasTakenOver: boolean;
  #scores: ScoreFile = {};

  constructor(
    run: string,
    request: LogRequest,
    state: LogState,
    { isNew, startMs }: { readonly isNew: boolean; readonly startMs: number },
  ) {
    this.#run = run;
    this.#request = request;
    this.#state = state;
    this.#isNew = isNew;
    this.#startMs = startMs;
    this.#hasTakenOver = isNew;
    this.rejectsPath = this.#path(isNew ? REJECTS : `.${REJECTS}.tmp`);
    this.#logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, openLineFile(this.#path(LOG)));
  }

  async begin(data: object): Promise<void> {
    await writeFileAtomic(this.#path('data.json'), `${JSON.stringify(data, null, 2)}\n`);
    if (this.#isNew) return;
    this.#hasTakenOver = true;
    for (const path of [RESULTS, SUMMARY].map((name) => this.#path(name)))
      await onDisk(path, () => rm(path, { force: true }));
    this.#state.metricsBytes = await cutFile(this.#path(METRICS), this.#state.metricsBytes);
    // Scores of an epoch that is trained again are not those of the best checkpoint.
    const { valid } = readScores(this.#run);
    const bestStep = readMetricLines(this.#run).milestones.findLast(({ isBest }) => isBest)?.step;
    if (valid !== undefined && valid.step === bestStep) this.#scores = { valid };
    await writeScores(this.#run, this.#scores);
    const rejects = this.#path(REJECTS);
    await onDisk(rejects, () =>
      existsSync(this.rejectsPath) ? renameBusy(this.rejectsPath, rejects) : rm(rejects, { force: true }),
    );
    const { config, overrides } = this.#request;
    await writeFileAtomic(this.#path(RESOLVED), config);
    await onDisk(this.#path(OVERRIDES), () => appendFile(this.#path(OVERRIDES), overrideLines(overrides)));
  }

  event(name: string, details: object): void {
    this.#logger.info({ event: name, ...details });
  }

  failure(error: unknown): void {
    try {
      this.#logger.error({ event: 'failure', err: error });
    } catch {
      // Ignored, because the caller reports the error anyway and the disk may be what failed.
    }
  }

  steps({ epoch, step, loss, lrFactors, lossWeights, gradNorms }: StepReport): void {
    this.#appendUnsynced({
      step,
      epoch,
      train: { loss: loss.total, losses: loss.losses },
      lrFactors,
      lossWeights,
      ...(Object.keys(gradNorms).length > 0 && { gradNorms }),
    });
  }

  diagnosis({ step, epoch, ...diagnosis }: DiagnosisReport): void {
    this.#appendUnsynced({ step, epoch, diagnosis });
  }

  window({ report, alarms, elapsedMs, ...window }: StreamWindow): void {
    const about = { window: window.window, step: window.step };
    for (const alarm of alarms) this.event('alarm', { ...about, alarm });
    this.#appendUnsynced({
      ...window,
      elapsedMs: Math.round(elapsedMs),
      progressive: { metrics: report },
      alarms,
    });
  }

  async milestone(milestone: ValidationEvent): Promise<void> {
    const { epoch, isEpochEnd, step, rows, elapsedMs, loss, skippedBatches, valid, isBest } = milestone;
    if (isEpochEnd) this.event('epoch', { epoch, step, loss: loss.total });
    const evaluation = isBest ? valid : undefined;
    if (evaluation !== undefined) this.#scores = { valid: { step, ...evaluation.predicted } };
    await allSettledOrThrow([
      this.#append({
        epoch,
        ...(!isEpochEnd && { isEpochEnd }),
        step,
        rows,
        ...(skippedBatches > 0 && { skippedBatches }),
        elapsedMs: Math.round(elapsedMs),
        train: { loss: loss.total, losses: loss.losses },
        ...(valid && { valid: { loss: valid.loss, metrics: valid.report } }),
        isBest,
      }),
      ...(evaluation === undefined ? [] : [writeScores(this.#run, this.#scores)]),
    ]);
  }

  async results(best: BestWeights, { valid, test }: BestFound): Promise<Readonly<Record<string, Report>>> {
    const { bestEpoch, bestStep: step } = best;
    const metrics = collectMetrics(best, { valid, test });
    this.#scores = {
      ...this.#scores,
      ...(valid !== undefined && { valid: { step, ...valid.predicted } }),
      ...(test !== undefined && { test: { step, ...test.predicted } }),
    };
    await allSettledOrThrow([
      this.#append({ bestEpoch, metrics }),
      ...(valid !== undefined || test !== undefined ? [writeScores(this.#run, this.#scores)] : []),
    ]);
    await writeFileAtomic(this.#path(RESULTS), resultsTable(readMetricLines(this.#run)));
    return metrics;
  }

  async end(facts: RunFacts, loop: LoopState): Promise<TrainResult> {
    const changes = readFileSync(this.#path(OVERRIDES), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
    const result = buildResult({ run: this.#run, changes, startMs: this.#startMs }, facts, loop);
    const { end, bestEpoch, bestStep, rejectedRows, numSkippedBatches } = result;
    this.event('end', { end, bestEpoch, bestStep, rejectedRows, numSkippedBatches });
    if (this.#hasTakenOver) await writeSummary(this.#run, result);
    return result;
  }

  #path(name: string): string {
    return join(this.#run, name);
  }

  /** Appends a line to metrics.jsonl and syncs it. */
  async #append(line: object): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    await onDisk(this.#path(METRICS), async () => {
      const file = await open(this.#path(METRICS), 'a');
      try {
        await file.writeFile(bytes);
        await syncFile(file);
      } finally {
        await file.close();
      }
    });
    this.#state.metricsBytes += bytes.length;
  }

  #appendUnsynced(line: object): void {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    onDiskSync(this.#path(METRICS), () => appendFileSync(this.#path(METRICS), bytes));
    this.#state.metricsBytes += bytes.length;
  }
}

/** Collects the reports of the best weights by split. */
export function collectMetrics(
  { bestReport }: Pick<LoopState, 'bestReport'>,
  { valid, test }: BestFound,
): Readonly<Record<string, Report>> {
  const validReport = valid?.report ?? bestReport;
  return { ...(validReport !== null && { valid: validReport }), ...(test !== undefined && { test: test.report }) };
}

/** Builds the result of a run; rows and times include the epochs in metrics.jsonl. */
export function buildResult(
  { run, changes, startMs }: Pick<TrainResult, 'run' | 'changes'> & { readonly startMs: number },
  facts: RunFacts,
  loop: LoopState,
): TrainResult {
  const completed = trainedIn(readMetricLines(run).milestones);
  const [rows, elapsedMs] = [completed.rows + loop.rows, Math.round(completed.elapsedMs + loop.elapsedMs)];
  return {
    run,
    ...facts,
    changes,
    epochs: loop.epoch,
    steps: loop.step,
    bestEpoch: loop.bestEpoch,
    bestStep: loop.bestStep,
    monitored: loop.stopping.best,
    numSkippedBatches: loop.allSkippedBatches,
    elapsedMs,
    rowsPerSecond: elapsedMs === 0 ? 0 : Math.round((1000 * rows) / elapsedMs),
    totalMs: Math.round(monotonicMs() - startMs),
    peakMemoryBytes: 1024 * process.resourceUsage().maxRSS,
  };
}

async function collectEnvironment(engine: LogRequest['engine'], commit: Promise<string | null>): Promise<object> {
  return {
    startedAt: new Date(wallClockMs()).toISOString(),
    mtl: packageVersion(),
    commit: await commit,
    node: process.version,
    command: process.argv.slice(2),
    workingDirectory: process.cwd(),
    engine,
    machine: {
      host: os.hostname(),
      platform: `${process.platform} ${os.release()} ${process.arch}`,
      cpu: os.cpus()[0]?.model ?? 'unknown',
      cores: os.availableParallelism(),
      memoryBytes: os.totalmem(),
    },
  };
}
