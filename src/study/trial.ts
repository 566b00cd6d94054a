import { z } from 'zod';
import { ownerSchema } from '../system/owner.js';

/** Definition of a trial. */
const trialSchema = z.strictObject({
  number: z.int().min(1),
  point: z.record(z.string(), z.unknown()),
  createdAt: z.string(),
});

/** Owner of a claim. */
const claimSchema = z.strictObject({ owner: ownerSchema });

/** Release of a trial before it ended. */
const releaseSchema = z.strictObject({
  reason: z.string(),
  /** Time from which the trial may be claimed again. */
  retryAt: z.string(),
});
type Release = z.output<typeof releaseSchema>;

/** Wait before a released trial is claimed again: doubles with each release of the trial, up to a minute. */
const [FIRST_RETRY_MS, MAX_RETRY_MS] = [1000, 60_000];

/** Creates the release of a trial whose claims were released `numReleases` times before. */
export function createRelease(reason: string, numReleases: number, nowMs: number): Release {
  const waitMs = Math.min(FIRST_RETRY_MS * 2 ** numReleases, MAX_RETRY_MS);
  return { reason, retryAt: new Date(nowMs + waitMs).toISOString() };
}

/** Value of a trial at a rung. */
const rungSchema = z.strictObject({ epoch: z.int().min(1), value: z.number() });

/** Result of one run, which has one of the seeds. */
const trialRunSchema = z.strictObject({
  seed: z.int(),
  /** Directory, relative to the study's. */
  run: z.string(),
  /** The optimized metric at the best epoch. */
  value: z.number().nullable(),
  bestEpoch: z.int(),
  epochs: z.int(),
  elapsedMs: z.number(),
  /** Metrics of the best weights, with keys such as `valid.ctcvr.auc`. */
  metrics: z.record(z.string(), z.number()),
});
export type TrialRun = z.output<typeof trialRunSchema>;

/** Result of a trial. */
const resultSchema = z.strictObject({
  /** `stopped`: at a rung, by successive halving. */
  end: z.enum(['finished', 'stopped', 'failed']),
  /** Mean over the runs (null if undefined) and its standard deviation (null for a single run). */
  value: z.number().nullable(),
  deviation: z.number().nullable(),
  /** Reason of a failure. */
  message: z.string().optional(),
  runs: z.array(trialRunSchema),
});
export type TrialResult = z.output<typeof resultSchema>;

/** Entries of the journal by kind. */
export const entrySchemas = {
  trial: trialSchema,
  claim: claimSchema,
  release: releaseSchema,
  rung: rungSchema,
  result: resultSchema,
};

/** A trial as recorded in the journal. */
export interface Trial extends z.output<typeof trialSchema> {
  /** In order; the last one is current. */
  readonly claims: readonly Claim[];
  readonly rungs: readonly number[];
  readonly result: TrialResult | undefined;
}

/** A worker's claim of a trial. */
export interface Claim extends z.output<typeof claimSchema> {
  readonly path: string;
  /** Undefined while the worker holds the trial, and after its death. */
  readonly release: Release | undefined;
}

/** Computes the mean and, for two or more values, the sample standard deviation. */
export function computeMean(values: readonly number[]): { readonly value: number; readonly deviation: number | null } {
  const value = values.reduce((sum, each) => sum + each, 0) / values.length;
  if (values.length < 2) return { value, deviation: null };
  return {
    value,
    deviation: Math.sqrt(values.reduce((sum, each) => sum + (each - value) ** 2, 0) / (values.length - 1)),
  };
}
