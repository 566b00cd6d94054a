import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { listTasks, type Experiment } from '../config/experiment.js';
import { storedExperiment } from '../config/stored.js';
import { CounterPlan } from '../data/counters/counter-plan.js';
import { splitStates, type EarlierCounters } from '../data/counters/counter-start.js';
import { dataSection, type DataState } from '../data/sources/data-state.js';
import type { Program } from '../engines/engine.js';
import { UserError, type Problem } from '../core/errors.js';
import type { Field, Grown } from '../features/feature.js';
import { encodedFields, computeLayout, type Fitted } from '../features/feature-types.js';
import { growFitted, type GrownFitted } from '../features/grow-fitted.js';
import { buildModel, listLookups } from '../models/models.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import { readCheckpointStates } from '../runs/checkpoint.js';
import type { StateTensors } from '../io/saved-state.js';
import { findCheckpoint } from '../runs/find-checkpoint.js';
import { FILES, manifestDigest } from '../runs/manifest.js';
import { readWarmStartSource, type InitFromOptions, type WarmStartSource } from '../runs/init-from.js';
import type { RunLog } from '../runs/run-log.js';
import { readSection } from '../runs/run-state.js';
import { readTrainedModel, type TrainedModel } from '../trained-model/trained-model.js';
import { formatExclusion } from './names.js';
import { mergeState } from './merged-state.js';
import { describeStart } from './report.js';
import { selectTensors, type TensorSelection } from './tensor-selection.js';

/** Initialization of a new run: random, or from the weights of another run. */
export interface Start {
  /**
   * Reads the checkpoint to start from and checks that it fits; undefined for random initialization.
   * @throws UserError (checkpoint); (config) if the checkpoint does not fit the model
   */
  readonly resolveOrigin: (() => Promise<WarmStartSource>) | undefined;
  /**
   * Merges newly fitted state into the state of the checkpoint, so that ids keep their meaning.
   * @throws UserError (config) if a table would have fewer rows
   */
  grow(fitted: Fitted): Fitted;
  /** Returns what was fitted for the model of the checkpoint, by field; undefined for random initialization. */
  readonly fitted: (() => Fitted) | undefined;
  /** Returns the counters of the checkpoint; undefined for random initialization. */
  readonly counters: (() => EarlierCounters) | undefined;
  /** Keeps the label scales of the checkpoint if the layers that predict the labels are loaded. */
  keepScales(data: DataState): DataState;
  /**
   * Loads the initial weights into a program and reports what was loaded. Works once: the weights are then released,
   * because they may take half of the memory.
   */
  begin(program: Pick<Program, 'state' | 'restore'>, log: Pick<RunLog, 'event'>, warn: (warning: string) => void): void;
}

const RANDOM_START: Start = {
  resolveOrigin: undefined,
  grow: (fitted) => fitted,
  fitted: undefined,
  counters: undefined,
  keepScales: (data) => data,
  begin: () => undefined,
};

/**
 * Creates the initialization of a config's run. Reads nothing until a new run is certain.
 * @param peers ranks that start together; each reads the checkpoint and keeps its own rows
 */
export function createStart(
  experiment: Experiment,
  fields: readonly Field[],
  peers: ProcessGroup = SINGLE_PROCESS,
): Start {
  const { initFrom } = experiment;
  if (initFrom === undefined) return RANDOM_START;
  return new WarmStart(initFrom, experiment, fields, peers);
}

class WarmStart implements Start {
  readonly #initFrom: InitFromOptions;
  readonly #experiment: Experiment;
  readonly #fields: readonly Field[];
  readonly #peers: ProcessGroup;
  #source: OpenedSource | undefined;
  #grown: GrownFitted | undefined;

  constructor(initFrom: InitFromOptions, experiment: Experiment, fields: readonly Field[], peers: ProcessGroup) {
    [this.#initFrom, this.#experiment, this.#fields, this.#peers] = [initFrom, experiment, fields, peers];
  }

  get #opened(): OpenedSource {
    if (this.#source === undefined)
      throw new Error('the source of a warm start must be opened before the run directory is created');
    return this.#source;
  }

  // A property, since callers pass it on.
  readonly resolveOrigin = async (): Promise<WarmStartSource> => {
    this.#source = await openSource(this.#initFrom, this.#experiment, this.#fields);
    return this.#source.origin;
  };

  grow(fitted: Fitted): Fitted {
    const { before, taken } = this.#opened;
    const isEvicting = this.#initFrom.staleTokens === 'evict';
    this.#grown = growFitted(this.#fields, before.checkpoint.fitted, fitted, taken.keepsFitted, isEvicting);
    assertRowsFit(before, taken, this.#fields, this.#grown.fitted);
    return this.#grown.fitted;
  }

  fitted(): Fitted {
    return this.#opened.before.checkpoint.fitted;
  }

  counters(): EarlierCounters {
    const { checkpoint, folder, experiment } = this.#opened.before;
    return earlierCounters(folder, experiment, checkpoint.states.counters);
  }

  keepScales(data: DataState): DataState {
    // A resumed run has its own scales.
    if (this.#source === undefined) return data;
    const { before, taken } = this.#source;
    const { checkpoint, folder, tasks } = before;
    const { labelScales: savedScales = {} } = readSection(checkpoint.sections, dataSection, join(folder, FILES.state));
    const labelScales = tasks
      .filter((task) => Object.hasOwn(savedScales, task.name) && taken.keepsScale(task))
      .map(({ name }) => [name, savedScales[name]] as const);
    if (labelScales.length > 0) data.labelScales = Object.fromEntries(labelScales);
    return data;
  }

  begin(
    program: Pick<Program, 'state' | 'restore'>,
    log: Pick<RunLog, 'event'>,
    warn: (warning: string) => void,
  ): void {
    const { before, taken, warnings, origin: from } = this.#opened;
    const { changes, unchanged } = this.#grown!;
    const saved = before.checkpoint.program;
    const cleared = new Map(
      [...changes].flatMap(([name, change]) =>
        taken.tablesOf(name).map((tensor): [string, Grown['cleared']] => [tensor, change.cleared]),
      ),
    );
    const drawn = program.state();
    program.restore(mergeState(drawn, saved, taken.names, cleared, this.#peers));
    this.#source = undefined;
    const scaled = before.tasks
      .filter((task) => task.scaling !== undefined && taken.keepsScale(task))
      .map(({ name }) => `the label of ${name}`);
    const report = describeStart({
      from,
      initFrom: this.#initFrom,
      steps: saved.step,
      taken,
      fittedNames: [...unchanged, ...scaled],
      changes,
      rowsBefore: new Map([...saved.weights].map(([name, { shape }]) => [name, shape[0]!])),
      rowsNow: new Map([...drawn.weights].map(([name, { shape }]) => [name, drawn.dealt?.get(name) ?? shape[0]!])),
    });
    log.event('initFrom', report.details);
    for (const line of [...warnings, ...report.lines]) warn(line);
  }
}

/**
 * Reads the counters of the checkpoint that a config starts from, and none of its weights.
 * @throws UserError (checkpoint)
 */
export async function readStartCounters(initFrom: InitFromOptions): Promise<EarlierCounters> {
  const folder = realpathSync(findSource(initFrom.checkpoint).found);
  const { config, states } = await readCheckpointStates(folder, ['counters']);
  return earlierCounters(folder, storedExperiment(config, join(folder, FILES.config)), states.counters);
}

function earlierCounters(folder: string, experiment: Experiment, saved: StateTensors | undefined): EarlierCounters {
  return { ...splitStates(saved), plan: CounterPlan.of(experiment.data, listTasks(experiment)), path: folder };
}

interface OpenedSource {
  readonly origin: WarmStartSource;
  readonly warnings: readonly string[];
  readonly before: TrainedModel;
  readonly taken: TensorSelection;
}

async function openSource(
  initFrom: InitFromOptions,
  experiment: Experiment,
  fields: readonly Field[],
): Promise<OpenedSource> {
  const { found, warnings: warnings } = findSource(initFrom.checkpoint);
  const folder = realpathSync(found);
  const before = await readTrainedModel(folder, { withOptimizer: initFrom.optimizer === 'keep', raw: true });
  const tasks = listTasks(experiment);
  const lookups = listLookups(experiment.model, tasks);
  // Vector widths may be unknown until the training set is read; until then, any width works.
  const wide = fields.map((field) => (field.width === 0 ? { ...field, width: 1 } : field));
  const layout = computeLayout(wide, { groups: experiment.features, ...lookups });
  const graph = buildModel(experiment.model, layout, tasks);
  const taken = selectTensors(
    initFrom,
    {
      training: before.experiment.training,
      fields: before.format.fields,
      tasks: before.tasks,
      graph: before.graph,
      layout: before.layout,
      lookups: listLookups(before.experiment.model, before.tasks),
    },
    { training: experiment.training, fields, tasks, graph, layout, lookups },
  );
  return { origin: { checkpoint: folder, sha256: await manifestDigest(folder) }, warnings: warnings, before, taken };
}

/**
 * Finds the checkpoint of a path. For a run that failed before its first checkpoint, returns the one that it started
 * from, so that a failed night does not break a daily chain.
 * @throws UserError (checkpoint)
 */
function findSource(path: string): { readonly found: string; readonly warnings: readonly string[] } {
  try {
    return { found: findCheckpoint(path), warnings: [] };
  } catch (error) {
    const origin = error instanceof UserError ? readWarmStartSource(path) : undefined;
    if (origin === undefined) throw error;
    return {
      found: findCheckpoint(origin.checkpoint),
      warnings: [`${path} has no checkpoint: using the one that it started from, ${origin.checkpoint}`],
    };
  }
}

/** Checks that loaded tables have as many rows as before, or more if new rows are appended after them. */
function assertRowsFit(
  { checkpoint }: TrainedModel,
  taken: TensorSelection,
  fields: readonly Field[],
  fitted: Fitted,
): void {
  const problems = encodedFields(fields, fitted).flatMap((field): Problem[] => {
    const { name, owner, rows, grow } = field;
    const tables = owner === name ? taken.tablesOf(name) : [];
    const savedRows = tables.length > 0 ? checkpoint.program.weights.get(tables[0]!)!.shape[0]! : rows;
    if (rows === savedRows || (rows > savedRows && grow !== undefined)) return [];
    const fix =
      rows > savedRows
        ? `restore its ${savedRows} rows or exclude it: ${formatExclusion(...tables)}`
        : `set ${savedRows} ids in encoding.sizes, or omit its size to have it counted`;
    return [{ key: `field '${name}'`, message: `has ${rows} rows, but ${savedRows} in the checkpoint`, fix }];
  });
  if (problems.length > 0) throw new UserError('config', problems);
}
