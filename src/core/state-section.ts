import type { z } from 'zod';

/**
 * What one part has to remember of a run to go on with it: a section of a checkpoint, JSON, that this part alone reads
 * and writes.
 */
export interface StateSection<State extends object> {
  readonly name: string;
  /** Goes up where the schema changes. */
  readonly version: number;
  readonly schema: z.ZodType<State>;
}
