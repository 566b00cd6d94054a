import { join } from 'node:path';
import type { Experiment } from '../config/experiment.js';
import { storedExperiment } from '../config/stored.js';
import type { RowScorer } from '../data/sources/teacher-pass.js';
import type { EngineOptions } from '../engines/engines.js';
import type { StateTensors } from '../io/saved-state.js';
import { FILES } from '../runs/manifest.js';

/** Options of the engine that scores rows. */
export type CpuOptions = Pick<EngineOptions, 'threads' | 'portable'>;

/** A model that scores rows for a student. */
export interface TeacherModel {
  readonly experiment: Experiment;
  /** Counters after the rows that it was trained on. */
  readonly counters: StateTensors | undefined;
  /** Prepares to score rows; results do not depend on the number of threads. */
  open(outputs: readonly string[], options: CpuOptions): Promise<RowScorer>;
}

/** Facts that identify a model. */
export interface TeacherFacts {
  readonly experiment: Experiment;
  /** Number of optimizer steps, or of trees. */
  readonly step: number;
}

/** A kind of stored models. */
export interface TeacherKind {
  /**
   * Reads the config of a model, and checks that this machine can use it.
   * @param folder of a checkpoint or of trees
   * @throws UserError (checkpoint) for a missing or invalid file; (usage) if a program is missing
   */
  describe(folder: string): Promise<TeacherFacts>;
  /** @throws UserError as `describe` */
  read(folder: string): Promise<TeacherModel>;
}

/** Parses the config that is stored with a model. */
export function parseTeacherConfig(folder: string, config: string): Experiment {
  return storedExperiment(config, join(folder, FILES.config));
}
