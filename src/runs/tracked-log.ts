import type { RunEnd, Scalars, Tracker } from '../track/tracker.js';
import { allSettledOrThrow } from './await-all.js';
import { flattenReport } from './results-table.js';
import type { RunLog } from './run-log.js';

export { addTrackedFile } from '../track/trackers.js';

/** A log that tells a tracker too. */
export interface TrackedLog {
  readonly log: RunLog;
  /** Ends the tracker, where the run has begun: as the log ended, or without an end as one that failed. */
  release(): Promise<void>;
}

/** Tells a tracker what a log is told, as numbers by name. */
export function trackedLog(log: RunLog, tracker: Tracker): TrackedLog {
  let [hasBegun, how]: [boolean, RunEnd] = [false, 'failed'];
  const tracked: RunLog = {
    ...log,
    async begin(data) {
      await log.begin(data);
      await tracker.begin();
      hasBegun = true;
    },
    steps(report) {
      log.steps(report);
      const { step, epoch, loss, lrFactors: rates, lossWeights: weights, gradNorms: norms } = report;
      tracker.scalars(step, {
        epoch,
        'train/loss': loss.total,
        ...under('train', loss.losses),
        ...under('rate', rates),
        ...under('weight', weights),
        ...under('norm', norms),
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
        ...under('gradient_cosine', Object.fromEntries(pairs)),
        ...under('shared_norm', sharedNorms),
        ...under('gate', Object.fromEntries(shares)),
      });
    },
    async milestone(milestone) {
      const { step, rows, elapsedMs, loss, valid } = milestone;
      tracker.scalars(step, {
        'epoch/train_loss': loss.total,
        'epoch/rows_per_second': elapsedMs === 0 ? 0 : (1000 * rows) / elapsedMs,
        ...(valid !== undefined && { 'valid/loss': valid.loss, ...under('valid', flattenReport(valid.report)) }),
      });
      if (valid !== undefined) tracker.predictions(step, 'valid', valid.predicted);
      await allSettledOrThrow([log.milestone(milestone), tracker.flush()]);
    },
    async results(loop, found) {
      const metrics = await log.results(loop, found);
      for (const split of ['valid', 'test'] as const) {
        const evaluation = found[split];
        if (evaluation === undefined) continue;
        tracker.scalars(loop.bestStep, under(`best_${split}`, flattenReport(evaluation.report)));
        tracker.predictions(loop.bestStep, `best_${split}`, evaluation.predicted);
      }
      return metrics;
    },
    async end(facts, loop) {
      const result = await log.end(facts, loop);
      how = facts.end;
      return result;
    },
  };
  return {
    log: tracked,
    async release() {
      if (hasBegun) await tracker.end(how);
    },
  };
}

function under(group: string, values: Scalars): Scalars {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [`${group}/${name}`, value]));
}
