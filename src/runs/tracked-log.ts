import type { Report } from '../evaluation/evaluation.js';
import type { RunEnd, Scalars, Tracker } from '../track/tracker.js';
import type { DiagnosisReport } from '../training/diagnostics.js';
import type { LoopState } from '../training/loop-state.js';
import type { ValidationEvent } from '../training/loop.js';
import type { StepReport } from '../training/steps-in-flight.js';
import type { StreamWindow, TrainResult } from '../training/observer.js';
import { allSettledOrThrow } from './await-all.js';
import { flattenReport } from './results-table.js';
import type { BestFound, BestWeights, RunFacts, RunLog } from './run-log.js';

export { addTrackedFile, addTrackedModel } from '../track/trackers.js';

/** A log whose measurements also go to a tracker, as scalars by name. */
export class TrackedLog implements RunLog {
  readonly #log: RunLog;
  readonly #tracker: Tracker;
  #hasBegun = false;
  #runEnd: RunEnd = 'failed';

  constructor(log: RunLog, tracker: Tracker) {
    this.#log = log;
    this.#tracker = tracker;
  }

  get rejectsPath(): string {
    return this.#log.rejectsPath;
  }

  async begin(data: object): Promise<void> {
    await this.#log.begin(data);
    await this.#tracker.begin();
    this.#hasBegun = true;
  }

  event(name: string, details: object): void {
    this.#log.event(name, details);
  }

  failure(error: unknown): void {
    this.#log.failure(error);
  }

  steps(report: StepReport): void {
    this.#log.steps(report);
    const { step, epoch, loss, lrFactors, lossWeights, gradNorms } = report;
    this.#tracker.scalars(step, {
      epoch,
      'train/loss': loss.total,
      ...prefixKeys('train', loss.losses),
      ...prefixKeys('rate', lrFactors),
      ...prefixKeys('weight', lossWeights),
      ...prefixKeys('norm', gradNorms),
    });
  }

  diagnosis(report: DiagnosisReport): void {
    this.#log.diagnosis(report);
    const { step, cosines, sharedNorms, gates } = report;
    const pairs = Object.entries(cosines).flatMap(([a, others]) =>
      Object.entries(others).flatMap(([b, cosine]) => (cosine === null ? [] : [[`${a}.${b}`, cosine] as const])),
    );
    const shares = Object.entries(gates).flatMap(([gate, { experts }]) =>
      Object.entries(experts).map(([expert, share]) => [`${gate}.${expert}`, share] as const),
    );
    this.#tracker.scalars(step, {
      ...prefixKeys('gradient_cosine', Object.fromEntries(pairs)),
      ...prefixKeys('shared_norm', sharedNorms),
      ...prefixKeys('gate', Object.fromEntries(shares)),
    });
  }

  window(window: StreamWindow): void {
    this.#log.window(window);
    const { step, report, alarms, lag } = window;
    this.#tracker.scalars(step, {
      ...prefixKeys('progressive', flattenReport(report)),
      'progressive/alarms': alarms.length,
      ...(lag !== undefined && { 'stream/lag': lag.amount }),
    });
  }

  async milestone(milestone: ValidationEvent): Promise<void> {
    const { step, rows, elapsedMs, loss, valid } = milestone;
    this.#tracker.scalars(step, {
      'epoch/train_loss': loss.total,
      'epoch/rows_per_second': elapsedMs === 0 ? 0 : (1000 * rows) / elapsedMs,
      ...(valid !== undefined && { 'valid/loss': valid.loss, ...prefixKeys('valid', flattenReport(valid.report)) }),
    });
    if (valid !== undefined) this.#tracker.predictions(step, 'valid', valid.predicted);
    await allSettledOrThrow([this.#log.milestone(milestone), this.#tracker.flush()]);
  }

  async results(best: BestWeights, evaluations: BestFound): Promise<Readonly<Record<string, Report>>> {
    const metrics = await this.#log.results(best, evaluations);
    for (const split of ['valid', 'test'] as const) {
      const evaluation = evaluations[split];
      if (evaluation === undefined) continue;
      this.#tracker.scalars(best.bestStep, prefixKeys(`best_${split}`, flattenReport(evaluation.report)));
      this.#tracker.predictions(best.bestStep, `best_${split}`, evaluation.predicted);
    }
    return metrics;
  }

  async end(facts: RunFacts, loop: LoopState): Promise<TrainResult> {
    const result = await this.#log.end(facts, loop);
    this.#runEnd = facts.end;
    return result;
  }

  /** Ends the tracker, if the run has begun: with the log's end, or as failed without one. */
  async release(): Promise<void> {
    if (this.#hasBegun) await this.#tracker.end(this.#runEnd);
  }
}

function prefixKeys(group: string, values: Scalars): Scalars {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${group}/${name}`, value]));
}
