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

/** What was asked for, in full. */
export interface LogRequest {
  /** The config file as it stood. */
  readonly source: string;
  /** With defaults and overrides, YAML. */
  readonly config: string;
  /** `--set` texts. */
  readonly overrides: readonly string[];
  readonly engine: { readonly name: string; readonly description: string };
  /** Where the first weights come from, where they are not drawn. */
  readonly origin?: WarmStartSource | undefined;
}

/** The config as it stood: the first file of a run, by which its folder is known for one. */
export const SOURCE = 'config.source.yaml';
/** With overrides and defaults. */
export const RESOLVED = 'config.resolved.yaml';
/** What happened, an event a line. */
export const LOG = 'log.jsonl';
/** What was set for it, a `--set` a line. */
export const OVERRIDES = 'overrides.txt';
/** What a run found, written in the end; a run without it has not ended. */
export const RESULTS = 'results.csv';
/** The bad rows that were skipped. */
export const REJECTS = 'rejects.csv';

const logStateSchema = z.strictObject({
  /** So much of the run's metrics.jsonl belongs to what is behind. */
  metricsBytes: z.int().min(0),
});
type LogState = z.output<typeof logStateSchema>;

/** The log's section of a checkpoint. */
export const logSection: StateSection<LogState> = { name: 'log', version: 1, schema: logStateSchema };

/** What happens in a run, written down as it happens. */
export interface RunLog {
  /**
   * Takes over a run that goes on, once nothing can refuse it any more: what comes after its checkpoint goes, and what
   * is asked
   * now is written down. Of a new run there is nothing to take over.
   * @param data what is known of its data, for data.json
   * @throws UserError (disk)
   */
  begin(data: object): Promise<void>;
  /** Where bad rows are listed: in the run's rejects.csv, or until `begin` beside it where a run goes on. */
  readonly rejectsPath: string;
  /** A line of `log.jsonl`. */
  event(name: string, details: object): void;
  /** The error that ends the run, in `log.jsonl`. */
  failure(error: unknown): void;
  /** A line of `metrics.jsonl`, synced. */
  milestone(milestone: ValidationEvent): Promise<void>;
  /** A line of `metrics.jsonl` that is synced with the next milestone. */
  steps(report: StepReport): void;
  /** The same of a step that was diagnosed. */
  diagnosis(report: DiagnosisReport): void;
  /**
   * What was measured with the best weights: the last line of `metrics.jsonl`, and `results.csv`.
   * @param found what is not yet known of them
   * @returns metrics by split
   */
  results(
    best: Pick<LoopState, 'bestEpoch' | 'bestStep' | 'bestReport'>,
    found: BestFound,
  ): Promise<Readonly<Record<string, Report>>>;
  /**
   * The run ends, though not with an error.
   * @returns what came of it, which is also written into `summary.json`
   */
  end(facts: RunFacts, loop: LoopState): Promise<TrainResult>;
}

/**
 * What was measured with the best weights, in the end; valid is that of the best epoch where it is not measured anew.
 */
export interface BestFound {
  readonly valid?: Evaluation | undefined;
  readonly test?: Evaluation | undefined;
}

/** What a run knows of its end, beside what the log and the loop know. */
export type RunFacts = Pick<TrainResult, 'end' | 'name' | 'model' | 'seed' | 'monitor' | 'metrics' | 'rejectedRows'>;

/**
 * Opens the log, and writes down what is asked of a new run (config.source.yaml, config.resolved.yaml, overrides.txt,
 * environment.json). A run that goes on stays as it is until `begin`, but for lines of log.jsonl.
 * @param state moved on: what of metrics.jsonl is behind
 * @throws UserError (disk)
 */
export async function openRunLog(
  run: string,
  { source, config, overrides, engine, origin }: LogRequest,
  state: LogState,
  isNew: boolean,
): Promise<RunLog> {
  // Its commit is asked for while files are written.
  const surroundings = environment(engine);
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
    // What a run without a checkpoint left, which starts anew.
    for (const path of [resultsPath, finalRejectsPath, metricsPath, summaryPath, scoresPath])
      if (existsSync(path)) await onDisk(path, () => rm(path));
    await writeFileAtomic(join(run, SOURCE), source);
    await allSettledOrThrow([
      writeFileAtomic(resolvedPath, config),
      writeFileAtomic(overridesPath, overridesText),
      surroundings.then((found) =>
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
  /** What is synced with the next line that is. */
  const appendUnsynced = (line: object): void => {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    onDiskSync(metricsPath, () => appendFileSync(metricsPath, bytes));
    state.metricsBytes += bytes.length;
  };
  const event: RunLog['event'] = (name, details) => logger.info({ event: name, ...details });
  /** A run that goes on stays as it is until it begins. */
  let isOurs = isNew;
  let scores: ScoreFile = {};
  if (!isNew) event('resume', { overrides, ...(await surroundings) });
  return {
    async begin(data) {
      await writeFileAtomic(join(run, 'data.json'), `${JSON.stringify(data, null, 2)}\n`);
      if (isNew) return;
      isOurs = true;
      for (const path of [resultsPath, summaryPath]) await onDisk(path, () => rm(path, { force: true }));
      state.metricsBytes = await cutFile(metricsPath, state.metricsBytes);
      // Predictions of an epoch that is taken again are none of the best that is known.
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
        // The error that ends the run is told in any case; the disk may be what failed.
      }
    },
    steps({ epoch, step, loss, lrFactors: rates, lossWeights: weights, gradNorms: norms }) {
      appendUnsynced({
        step,
        epoch,
        train: { loss: loss.total, terms: loss.losses },
        rates,
        weights,
        ...(Object.keys(norms).length > 0 && { norms }),
      });
    },
    diagnosis({ step, epoch, ...diagnosis }) {
      appendUnsynced({ step, epoch, diagnosis });
    },
    async milestone({ epoch, isEpochEnd, step, rows, elapsedMs, loss, skippedBatches, valid, isBest }) {
      if (isEpochEnd) event('epoch', { epoch, step, loss: loss.total });
      const measured = isBest ? valid : undefined;
      if (measured !== undefined) scores = { valid: { step, ...measured.predicted } };
      await allSettledOrThrow([
        append({
          epoch,
          ...(!isEpochEnd && { isEpochEnd }),
          step,
          rows,
          ...(skippedBatches > 0 && { skippedBatches }),
          elapsedMs: Math.round(elapsedMs),
          train: { loss: loss.total, terms: loss.losses },
          ...(valid && { valid: { loss: valid.loss, metrics: valid.report } }),
          isBest,
        }),
        ...(measured === undefined ? [] : [writeScores(run, scores)]),
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
      if (isOurs) await writeSummary(run, result);
      return result;
    },
  };
}

/** What was measured with the best weights, by split. */
export function collectMetrics(
  { bestReport }: Pick<LoopState, 'bestReport'>,
  { valid, test }: BestFound,
): Readonly<Record<string, Report>> {
  const validReport = valid?.report ?? bestReport;
  return { ...(validReport !== null && { valid: validReport }), ...(test !== undefined && { test: test.report }) };
}

/** What came of a run whose metrics.jsonl says what is behind. */
export function buildResult(
  { run, changes, startMs }: Pick<TrainResult, 'run' | 'changes'> & { readonly startMs: number },
  facts: RunFacts,
  loop: LoopState,
): TrainResult {
  const behind = trainedIn(readMetricLines(run).milestones);
  const [rows, elapsedMs] = [behind.rows + loop.rows, Math.round(behind.elapsedMs + loop.elapsedMs)];
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

async function environment(engine: LogRequest['engine']): Promise<object> {
  return {
    startedAt: new Date(wallClockMs()).toISOString(),
    mtl: packageVersion(),
    commit: await packageCommit(),
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
