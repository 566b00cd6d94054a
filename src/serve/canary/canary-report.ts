import type { Row } from '../../data/objects/given-rows.js';
import type { ModelFacts } from '../messages.js';
import type { Closed } from './kept-predictions.js';
import type { Figures } from './live-comparison.js';
import type { Look } from './looks.js';
import type { CanaryOptions } from './options.js';

/** `ended`: without a verdict, as after a promotion by hand. */
export type CanaryState = 'running' | 'promoted' | 'rolledBack' | 'ended';

/** Labels of the rows of a request. */
export interface Outcome {
  readonly id: string;
  readonly labels: readonly Row[];
}

/** Ids of outcomes without predictions, by reason. */
export type Unjoined = Readonly<Record<Closed | 'unknown' | 'unpaired', readonly string[]>>;

/** Result of some outcomes; JSON. */
export interface JoinedOutcomes extends Unjoined {
  /** Requests whose labels were joined, and the rows that count. */
  readonly joined: number;
  readonly rows: number;
}

/** Numbers of events since the start; JSON. */
export type CanaryCounts = Readonly<Record<'joined' | keyof Unjoined | 'unassigned' | 'dropped' | 'unlabeled', number>>;

/** State of a canary; JSON. */
export interface CanaryReport {
  readonly kind: CanaryOptions['kind'];
  readonly state: CanaryState;
  /** The present model, whose name the metrics have. */
  readonly present: CanaryModel;
  readonly candidate: CanaryModel;
  readonly share: number | null;
  /** Requests that wait for their labels. */
  readonly waiting: number;
  readonly counts: CanaryCounts;
  readonly looks: readonly Look[];
  readonly figures: Figures;
}
export type CanaryModel = Pick<ModelFacts, 'name' | 'version' | 'checkpoint'>;
