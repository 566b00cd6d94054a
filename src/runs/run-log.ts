import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { appendFile, open, rename, rm } from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { z } from 'zod';
import { monotonicMs, wallClockMs } from '../system/clock.js';
import type { Report } from '../evaluation/evaluation.js';
import type { StateSection } from '../core/state-section.js';
import type { DiagnosisReport } from '../training/diagnostics.js';
import type { ValidationEvent, StepReport } from '../training/loop.js';
import type { Evaluation } from '../training/monitor.js';
import type { LoopState } from '../training/loop-state.js';
import type { TrainResult } from '../training/observer.js';
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
  /** Values of `--set`. */
  readonly overrides: readonly string[];
  readonly engine: { readonly name: string; readonly description: string };
  /** Source of the initial weights; undefined if randomly initialized. */
  readonly origin?: WarmStartSource | undefined;
}

/** The unchanged config: the first file of a run, which identifies its directory as a run. */
export const SOURCE = 'config.source.yaml';
export const RESOLVED = 'config.resolved.yaml';
/** Events, JSON Lines. */
export const LOG = 'log.jsonl';
/** Values of `--set`, one per line. */
export const OVERRIDES = 'overrides.txt';
/** Final metrics; a run without this file is not completed. */
export const RESULTS = 'results.csv';
/** Directory of the trees of a baseline. */
export const TREE_FOLDER = 'trees';
/** Skipped invalid rows. */
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
  /**
   * Writes the metrics of the best weights to `metrics.jsonl` and `results.csv`.
   * @param evaluations evaluations that are not yet in the log
   * @returns reports by split
   */
  results(
    best: Pick<LoopState, 'bestEpoch' | 'bestStep' | 'bestReport'>,
    evaluations: BestFound,
  ): Promise<Readonly<Record<string, Report>>>;
  /**
   * Ends a run that did not fail.
   * @returns the result, which is also written to `summary.json`
   */
  end(facts: RunFacts, loop: LoopState): Promise<TrainResult>;
}

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
export async function openRunLog(
  run: string,
  { source, config, overrides, engine, origin }: LogRequest,
  state: LogState,
  isNew: boolean,
): Promise<RunLog> {
  // Started early, so that git runs while files are written; it never rejects.
  const commit = packageCommit();
  const overridesPath = join(run, OVERRIDES);
  const overridesText = overrides.map((text) => `${text}\n`).join('');
  const resolvedPath = join(run, RESOLVED);
  const metricsPath = join(run, METRICS);
  const startMs = monotonicMs();
  const resultsPath = join(run, RESULTS);
  const summaryPath = join(run, SUMMARY);
  const scoresPath = join(run, SCORES);
  const finalRejectsPath = join(run, REJECTS);
  const rejectsPath = isNew ? finalRejectsPath : join(run, `.${REJECTS}.tmp`);
  if (isNew) {
    // A run without a checkpoint, which starts from the beginning, may have left these.
    for (const path of [resultsPath, finalRejectsPath, metricsPath, summaryPath, scoresPath])
      if (existsSync(path)) await onDisk(path, () => rm(path));
    await writeFileAtomic(join(run, SOURCE), source);
    await allSettledOrThrow([
      writeFileAtomic(resolvedPath, config),
      writeFileAtomic(overridesPath, overridesText),
      collectEnvironment(engine, commit).then((found) =>
        writeFileAtomic(
          join(run, ENVIRONMENT),
          `${JSON.stringify({ ...found, ...(origin !== undefined && { initFrom: origin }) }, null, 2)}\n`,
        ),
      ),
    ]);
  }

  const logPath = join(run, LOG);
  const logger = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, openLineFile(logPath));
  const append = async (line: object): Promise<void> => {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    await onDisk(metricsPath, async () => {
      const file = await open(metricsPath, 'a');
      try {
        await file.writeFile(bytes);
        await syncFile(file);
      } finally {
        await file.close();
      }
    });
    state.metricsBytes += bytes.length;
  };
  const appendUnsynced = (line: object): void => {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    onDiskSync(metricsPath, () => appendFileSync(metricsPath, bytes));
    state.metricsBytes += bytes.length;
  };
  const event: RunLog['event'] = (name, details) => logger.info({ event: name, ...details });
  /** A resumed run's files are unchanged until `begin`. */
  let hasTakenOver = isNew;
  let scores: ScoreFile = {};
  if (!isNew) event('resume', { overrides, ...(await collectEnvironment(engine, commit)) });
  return {
    async begin(data) {
      await writeFileAtomic(join(run, 'data.json'), `${JSON.stringify(data, null, 2)}\n`);
      if (isNew) return;
      hasTakenOver = true;
      for (const path of [resultsPath, summaryPath]) await onDisk(path, () => rm(path, { force: true }));
      state.metricsBytes = await cutFile(metricsPath, state.metricsBytes);
      // Scores of an epoch that is trained again are not those of the best checkpoint.
      const { valid } = readScores(run);
      if (valid !== undefined && valid.step === readMetricLines(run).milestones.findLast(({ isBest }) => isBest)?.step)
        scores = { valid };
      await writeScores(run, scores);
      await onDisk(finalRejectsPath, () =>
        existsSync(rejectsPath) ? rename(rejectsPath, finalRejectsPath) : rm(finalRejectsPath, { force: true }),
      );
      await writeFileAtomic(resolvedPath, config);
      await onDisk(overridesPath, () => appendFile(overridesPath, overridesText));
    },
    rejectsPath,
    event,
    failure(error) {
      try {
        logger.error({ event: 'failure', err: error });
      } catch {
        // Ignored, because the caller reports the error anyway and the disk may be what failed.
      }
    },
    steps({ epoch, step, loss, lrFactors, lossWeights, gradNorms }) {
      appendUnsynced({
        step,
        epoch,
        train: { loss: loss.total, losses: loss.losses },
        lrFactors,
        lossWeights,
        ...(Object.keys(gradNorms).length > 0 && { gradNorms }),
      });
    },
    diagnosis({ step, epoch, ...diagnosis }) {
      appendUnsynced({ step, epoch, diagnosis });
    },
    async milestone({ epoch, isEpochEnd, step, rows, elapsedMs, loss, skippedBatches, valid, isBest }) {
      if (isEpochEnd) event('epoch', { epoch, step, loss: loss.total });
      const evaluation = isBest ? valid : undefined;
      if (evaluation !== undefined) scores = { valid: { step, ...evaluation.predicted } };
      await allSettledOrThrow([
        append({
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
        ...(evaluation === undefined ? [] : [writeScores(run, scores)]),
      ]);
    },
    async results(best, { valid, test }) {
      const { bestEpoch, bestStep: step } = best;
      const metrics = collectMetrics(best, { valid, test });
      scores = {
        ...scores,
        ...(valid !== undefined && { valid: { step, ...valid.predicted } }),
        ...(test !== undefined && { test: { step, ...test.predicted } }),
      };
      await allSettledOrThrow([
        append({ bestEpoch, metrics }),
        ...(valid !== undefined || test !== undefined ? [writeScores(run, scores)] : []),
      ]);
      await writeFileAtomic(resultsPath, resultsTable(readMetricLines(run)));
      return metrics;
    },
    async end(facts, loop) {
      const changes = readFileSync(overridesPath, 'utf8')
        .split('\n')
        .filter((line) => line !== '');
      const result = buildResult({ run, changes, startMs }, facts, loop);
      const { end, bestEpoch, bestStep, rejectedRows, numSkippedBatches } = result;
      event('end', { end, bestEpoch, bestStep, rejectedRows, numSkippedBatches });
      if (hasTakenOver) await writeSummary(run, result);
      return result;
    },
  };
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
