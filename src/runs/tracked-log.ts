import type { RunEnd, Scalars, Tracker } from '../track/tracker.js';
import { allSettledOrThrow } from './await-all.js';
import { flattenReport } from './results-table.js';
import type { RunLog } from './run-log.js';

export { addTrackedFile } from '../track/trackers.js';

/** A log that also reports to trackers. */
export interface TrackedLog {
  readonly log: RunLog;
  /** Ends the trackers, if the run has begun: with the log's end, or as failed without one. */
  release(): Promise<void>;
}

/** Wraps a log so that its measurements also go to a tracker, as scalars by name. */
export function trackedLog(log: RunLog, tracker: Tracker): TrackedLog {
  let [hasBegun, runEnd]: [boolean, RunEnd] = [false, 'failed'];
  const tracked: RunLog = {
    ...log,
    async begin(data) {
      await log.begin(data);
      await tracker.begin();
      hasBegun = true;
    },
    steps(report) {
      log.steps(report);
      const { step, epoch, loss, lrFactors, lossWeights, gradNorms } = report;
      tracker.scalars(step, {
        epoch,
        'train/loss': loss.total,
        ...prefixKeys('train', loss.losses),
        ...prefixKeys('rate', lrFactors),
        ...prefixKeys('weight', lossWeights),
        ...prefixKeys('norm', gradNorms),
      });
    },
    diagnosis(report) {
      log.diagnosis(report);
      const { step, cosines, sharedNorms, gates } = report;
      const pairs = Object.entries(cosines).flatMap(([a, others]) =>
        Object.entries(others).flatMap(([b, cosine]) => (cosine === null ? [] : [[`${a}.${b}`, cosine] as const])),
      );
      const shares = Object.entries(gates).flatMap(([gate, { experts }]) =>
        Object.entries(experts).map(([expert, share]) => [`${gate}.${expert}`, share] as const),
      );
      tracker.scalars(step, {
        ...prefixKeys('gradient_cosine', Object.fromEntries(pairs)),
        ...prefixKeys('shared_norm', sharedNorms),
        ...prefixKeys('gate', Object.fromEntries(shares)),
      });
    },
    async milestone(milestone) {
      const { step, rows, elapsedMs, loss, valid } = milestone;
      tracker.scalars(step, {
        'epoch/train_loss': loss.total,
        'epoch/rows_per_second': elapsedMs === 0 ? 0 : (1000 * rows) / elapsedMs,
        ...(valid !== undefined && { 'valid/loss': valid.loss, ...prefixKeys('valid', flattenReport(valid.report)) }),
      });
      if (valid !== undefined) tracker.predictions(step, 'valid', valid.predicted);
      await allSettledOrThrow([log.milestone(milestone), tracker.flush()]);
    },
    async results(loop, evaluations) {
      const metrics = await log.results(loop, evaluations);
      for (const split of ['valid', 'test'] as const) {
        const evaluation = evaluations[split];
        if (evaluation === undefined) continue;
        tracker.scalars(loop.bestStep, prefixKeys(`best_${split}`, flattenReport(evaluation.report)));
        tracker.predictions(loop.bestStep, `best_${split}`, evaluation.predicted);
      }
      return metrics;
    },
    async end(facts, loop) {
      const result = await log.end(facts, loop);
      runEnd = facts.end;
      return result;
    },
  };
  return {
    log: tracked,
    async release() {
      if (hasBegun) await tracker.end(runEnd);
    },
  };
}

function prefixKeys(group: string, values: Scalars): Scalars {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${group}/${name}`, value]));
}
