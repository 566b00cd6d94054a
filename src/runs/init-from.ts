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
      .describe('Policy for tokens that left the vocabulary: keep their rows, or evict them and reuse the rows'),
  })
  .describe('Warm start from the weights of another run; ignored on resume');
export type InitFromOptions = z.output<typeof initFromOptions>;

const originSchema = z.strictObject({ checkpoint: z.string(), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** Where the first weights of a run come from. */
export interface WarmStartSource {
  /** The folder of the checkpoint: an absolute path, with links followed. */
  readonly checkpoint: string;
  /** Of its manifest, which has the digests of all its files. */
  readonly sha256: string;
}

/** What a run writes down of its surroundings when it begins. */
export const ENVIRONMENT = 'environment.json';

/** What a run that started from another's weights keeps of that: nothing needs to be there any more. */
export const originSection: StateSection<WarmStartSource> = {
  name: 'initFrom',
  version: 1,
  schema: originSchema,
};

/**
 * Where a run says that its first weights come from; undefined for one whose weights were drawn, and for what is no
 * run.
 * @throws UserError (checkpoint) for a file that is not what a run writes
 */
export function readWarmStartSource(run: string): WarmStartSource | undefined {
  const path = join(run, ENVIRONMENT);
  if (!existsSync(path)) return undefined;
  return parseJson(path, readFileSync(path, 'utf8'), z.looseObject({ initFrom: originSchema.optional() })).initFrom;
}
