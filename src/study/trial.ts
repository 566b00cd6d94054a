import { z } from 'zod';
import { ownerSchema } from '../system/owner.js';

/** What a trial is: written once, by whoever begins it. */
export const trialSchema = z.strictObject({
  number: z.int().min(1),
  /** Values by parameter. */
  point: z.record(z.string(), z.unknown()),
  createdAt: z.string(),
});

/** Who has a trial: written once for each time that somebody takes it. */
export const claimSchema = z.strictObject({ owner: ownerSchema });

/** Who gave a trial back before it was over, to let others go on with it. */
export const releaseSchema = z.strictObject({ reason: z.string() });

/** Where a trial stood when it came to a rung: written once. */
export const rungSchema = z.strictObject({ epoch: z.int().min(1), value: z.number() });

const reportSchema = z.record(z.string(), z.number());

/** One run of a trial: that of one seed. */
export const trialRunSchema = z.strictObject({
  seed: z.int(),
  /** Its folder, below the study's. */
  run: z.string(),
  /** Of what is searched for, at the best epoch. */
  value: z.number().nullable(),
  bestEpoch: z.int(),
  epochs: z.int(),
  elapsedMs: z.number(),
  /** As `valid.ctcvr.auc`, of the best weights. */
  metrics: reportSchema,
});
export type TrialRun = z.output<typeof trialRunSchema>;

/** What came of a trial: written once. */
export const resultSchema = z.strictObject({
  /** Whether its runs came to their ends, or were stopped since others did better, or failed. */
  end: z.enum(['finished', 'stopped', 'failed']),
  /** The mean over its runs, and the deviation from it: null where there is none, or for one run alone. */
  value: z.number().nullable(),
  deviation: z.number().nullable(),
  /** Why it failed. */
  message: z.string().optional(),
  runs: z.array(trialRunSchema),
});
export type TrialResult = z.output<typeof resultSchema>;

/** A trial, as far as the journal tells. */
export interface Trial extends z.output<typeof trialSchema> {
  /** Each time that it was taken, in order; the last has it. */
  readonly claims: readonly Claim[];
  /** Values at the rungs that it came to, from the first on. */
  readonly rungs: readonly number[];
  readonly result: TrialResult | undefined;
}

/** One time that a trial was taken. */
export interface Claim extends z.output<typeof claimSchema> {
  readonly path: string;
  /** Whether it was given back. */
  readonly isReleased: boolean;
}

/** Mean and, of two or more, the sample's standard deviation. */
export function meanOf(values: readonly number[]): { readonly value: number; readonly deviation: number | null } {
  const value = values.reduce((sum, each) => sum + each, 0) / values.length;
  if (values.length < 2) return { value, deviation: null };
  return {
    value,
    deviation: Math.sqrt(values.reduce((sum, each) => sum + (each - value) ** 2, 0) / (values.length - 1)),
  };
}
