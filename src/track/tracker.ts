import type { z } from 'zod';
import type { Predicted } from '../evaluation/evaluation.js';
import type { ValidationIssue } from '../core/component.js';
import type { StateSection } from '../core/state-section.js';
import type { StopReason } from '../training/loop.js';
import type { RunFile } from './mlflow-artifacts.js';

/** Values by name, such as `train/loss` or `valid/ctr.auc`. */
export type Scalars = Readonly<Record<string, number>>;

export type RunEnd = StopReason | 'interrupted' | 'failed';

/** Writes a run's measurements in a format of another tool. */
export interface Tracker {
  /** Called before the first step; for a resumed run, discards what was written after its checkpoint. */
  begin(): Promise<void>;
  /** @param step at which the values were measured */
  scalars(step: number, values: Scalars): void;
  /** Writes score histograms of a split. */
  predictions(step: number, split: string, predicted: Predicted): void;
  /** Called before the run is saved. */
  flush(): Promise<void>;
  end(runEnd: RunEnd): Promise<void>;
}

/** The run, for its trackers. */
export interface TrackedRun {
  readonly folder: string;
  /** Name of its config. */
  readonly name: string;
  /** All config values, with keys such as `training.epochs`. */
  readonly hparams: ReadonlyMap<string, string | number | boolean>;
  /**
   * Returns a tracker's state. Trackers request their section even when disabled, because a checkpoint with an
   * unrequested section cannot be saved again.
   */
  getState<State extends object>(section: StateSection<State>, first: () => State): State;
  /** Lists files of the run to upload, as they are now. */
  artifacts(): readonly RunFile[];
  warn(warning: string): void;
}

/** An input or output of a model. */
export interface ModelTensor {
  readonly name: string;
  readonly type: 'float' | 'double' | 'int8' | 'int64' | 'bool' | 'string';
  /** A string is the name of a dynamic dimension. */
  readonly shape: readonly (number | string)[];
}

/** An exported ONNX model. */
export interface OnnxModel {
  /** Paths of the ONNX file and of its external data, if there is any. */
  readonly files: readonly string[];
  /** Number of training steps. */
  readonly step: number;
  readonly inputs: readonly ModelTensor[];
  readonly outputs: readonly ModelTensor[];
}

/** A registered tracker: its config keys and constructor. */
export interface TrackerPart<Name extends string, Shape extends z.ZodRawShape> {
  readonly name: Name;
  readonly keys: Shape;
  /** Checks constraints between its keys. */
  check?(options: z.output<z.ZodObject<Shape>>): Generator<ValidationIssue>;
  /** @returns undefined if the config does not enable it */
  open(options: z.output<z.ZodObject<Shape>>, run: TrackedRun): Tracker | undefined;
  /** Adds a file to a completed run; failures are warnings. */
  addFile?(folder: string, file: RunFile, warn: (warning: string) => void): Promise<void>;
  /**
   * Adds an exported model to a completed run; failures are warnings.
   * @returns the URI of the model, or undefined if the tracker has no such run
   */
  addModel?(folder: string, model: OnnxModel, warn: (warning: string) => void): Promise<string | undefined>;
}

/** Declares a tracker with its types inferred. */
export function defineTracker<const Name extends string, Shape extends z.ZodRawShape>(
  part: TrackerPart<Name, Shape>,
): TrackerPart<Name, Shape> {
  return part;
}
