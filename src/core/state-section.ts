import type { z } from 'zod';

/** The resume state of one component: a JSON section of a checkpoint that only this component reads and writes. */
export interface StateSection<State extends object> {
  readonly name: string;
  /** Increases with each change of the schema. */
  readonly version: number;
  readonly schema: z.ZodType<State>;
}
