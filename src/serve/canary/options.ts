/** A second model, which a server compares with the present one on live requests. */
export interface CanaryOptions {
  /** A canary answers a share of the requests; a shadow predicts all of them and answers none. */
  readonly kind: 'canary' | 'shadow';
  /** Run directory or checkpoint. */
  readonly path: string;
  /** Share of requests that a canary answers, between 0 and 1. */
  readonly share: number;
  /** Input column, or `header:NAME`, whose value decides which model answers; default: the request id. */
  readonly shareBy?: string | undefined;
  /** Time for which predictions wait for their labels, in milliseconds. */
  readonly keepMs: number;
  /** Undefined if only people decide. */
  readonly rule?: CanaryRule | undefined;
}

/** When the second model replaces the present one, and when it is dropped. */
export interface CanaryRule {
  /** Text such as `ctcvr.logLoss`. */
  readonly metric: string;
  /** Labeled rows of each model before the first look. */
  readonly after: number;
  /** Confidence level of all looks together, between 0 and 1. */
  readonly confidence: number;
}

/** The two models of a comparison. */
export const SIDES = ['present', 'candidate'] as const;
export type Side = (typeof SIDES)[number];
