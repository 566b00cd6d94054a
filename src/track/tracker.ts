import type { z } from 'zod';
import type { Predicted } from '../evaluation/evaluation.js';
import type { ValidationIssue } from '../core/component.js';
import type { StateSection } from '../core/state-section.js';
import type { StopReason } from '../training/loop.js';
import type { RunFile } from './mlflow-artifacts.js';

/** Numbers by name, as `train/loss` or `valid/ctr.auc`. */
export type Scalars = Readonly<Record<string, number>>;

/** How a run ended. */
export type RunEnd = StopReason | 'interrupted' | 'failed';

/** Where a run is also written down, in a form that another tool reads. */
export interface Tracker {
  /** The run takes its first step, or goes on from a checkpoint: what was written behind it is taken again. */
  begin(): Promise<void>;
  /** @param step behind which they were measured */
  scalars(step: number, values: Scalars): void;
  /** How predictions of a split lie. */
  predictions(step: number, split: string, predicted: Predicted): void;
  /** The run is about to be saved. */
  flush(): Promise<void>;
  end(how: RunEnd): Promise<void>;
}

/** What a tracker knows of the run. */
export interface TrackedRun {
  readonly folder: string;
  /** Of its config. */
  readonly name: string;
  /** Every value of its config, by key as in `training.epochs`. */
  readonly hparams: ReadonlyMap<string, string | number | boolean>;
  /**
   * What a part of the run has to remember; a section is asked for also where nothing is tracked, or a checkpoint that
   * has it could not be saved again.
   */
  stateOf<State extends object>(section: StateSection<State>, first: () => State): State;
  /** Lists files of the run that are worth keeping beside its numbers, as they are now. */
  artifacts(): readonly RunFile[];
  /** Tells people what they should know. */
  warn(notice: string): void;
}

/** A tracker of the registry: its keys in the `track` section, and what they make. */
export interface TrackerPart<Name extends string, Shape extends z.ZodRawShape> {
  readonly name: Name;
  readonly keys: Shape;
  /** What its keys say together that cannot be. */
  check?(options: z.output<z.ZodObject<Shape>>): Generator<ValidationIssue>;
  /** @returns undefined where the config does not want it */
  open(options: z.output<z.ZodObject<Shape>>, run: TrackedRun): Tracker | undefined;
  /** Adds a file to a run that has ended. Failures are notices. */
  addFile?(folder: string, file: RunFile, warn: (notice: string) => void): Promise<void>;
}

/** Declares a tracker; the identity, for the sake of its types. */
export function defineTracker<const Name extends string, Shape extends z.ZodRawShape>(
  part: TrackerPart<Name, Shape>,
): TrackerPart<Name, Shape> {
  return part;
}
