import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { StateSection } from '../core/state-section.js';
import { parseJson } from './manifest.js';

/** The `initFrom` section of a config. */
export const initFromOptions = z
  .strictObject({
    checkpoint: z.string().min(1).describe('Run (its best checkpoint) or checkpoint, relative to the config'),
    include: z
      .union([z.enum(['all', 'embeddings']), z.array(z.string().min(1)).min(1)])
      .default('all')
      .describe("Tensors to load: all that match, tables only, or name patterns, as in ['*', '!embeddings.205']"),
    optimizer: z
      .enum(['keep', 'reset'])
      .default('keep')
      .describe('Whether to also load the optimizer state and step count'),
    staleTokens: z
      .enum(['keep', 'evict'])
      .default('keep')
      .describe('Policy for tokens absent from new data: keep their rows, or evict and reuse them'),
  })
  .describe('Warm start from the weights of another run; ignored on resume');
export type InitFromOptions = z.output<typeof initFromOptions>;

const originSchema = z.strictObject({ checkpoint: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** Checkpoint that a run's initial weights come from. */
export interface WarmStartSource {
  /** Directory of the checkpoint: an absolute path, with links resolved. */
  readonly checkpoint: string;
  /** SHA-256 of its manifest, which contains the digests of all its files. */
  readonly sha256: string;
}

/** File that records the environment of a run. */
export const ENVIRONMENT = 'environment.json';

/** Records the source in each checkpoint, so that a resumed run does not need the source's files. */
export const originSection: StateSection<WarmStartSource> = {
  name: 'initFrom',
  version: 1,
  schema: originSchema,
};

/**
 * Reads the recorded source of a run's initial weights; undefined if they were randomly initialized or the directory is
 * not a run.
 * @throws UserError (checkpoint) for an invalid file
 */
export function readWarmStartSource(run: string): WarmStartSource | undefined {
  const path = join(run, ENVIRONMENT);
  if (!existsSync(path)) return undefined;
  return parseJson(path, readFileSync(path, 'utf8'), z.looseObject({ initFrom: originSchema.optional() })).initFrom;
}
