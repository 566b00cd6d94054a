import { z } from 'zod';

// What a server measured of two models on live requests, as it is stored and as it is sent. A later version may add
// keys, which are dropped.

const valueSchema = z.number().nullable();

const differenceSchema = z.object({
  output: z.string(),
  metric: z.string(),
  goal: z.enum(['higher', 'lower', 'none']),
  /** Values of the present model and of the candidate. */
  a: valueSchema,
  b: valueSchema,
  /** b − a, with its interval. */
  difference: valueSchema,
  low: valueSchema,
  high: valueSchema,
});

const lookSchema = z.object({
  number: z.int(),
  rows: z.int(),
  confidence: z.number(),
  difference: differenceSchema,
  verdict: z.enum(['better', 'worse', 'undecided']),
});

/** By output and value, such as `rows`. */
const outputsSchema = z.record(z.string(), z.record(z.string(), valueSchema));

const figuresSchema = z.object({
  present: outputsSchema,
  candidate: outputsSchema,
  confidence: z.number(),
  differences: z.array(differenceSchema).readonly(),
});

export const liveFiguresSchema = z.object({
  kind: z.enum(['canary', 'shadow']),
  /** Share of the requests that a canary answered; null for a shadow. */
  share: valueSchema,
  looks: z.array(lookSchema).readonly(),
  figures: figuresSchema,
});
/** Figures of two models on live requests; JSON. */
export type LiveFigures = z.output<typeof liveFiguresSchema>;
export type LiveLook = LiveFigures['looks'][number];
