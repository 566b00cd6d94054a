import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { listTasks, type Experiment } from '../config/experiment.js';
import { dataSection, type DataState } from '../data/sources/data-state.js';
import type { Program } from '../engines/engine.js';
import { UserError, type Problem } from '../core/errors.js';
import type { Field, Grown } from '../features/feature.js';
import { encodedFields, computeLayout, type Fitted } from '../features/feature-types.js';
import { growFitted, type GrownFitted } from '../features/grow-fitted.js';
import { buildModel, listLookups } from '../models/models.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import { findCheckpoint } from '../runs/find-checkpoint.js';
import { FILES, manifestDigest } from '../runs/manifest.js';
import { readWarmStartSource, type InitFromOptions, type WarmStartSource } from '../runs/init-from.js';
import type { RunLog } from '../runs/run-log.js';
import { readSection } from '../runs/run-state.js';
import { readTrainedModel, type TrainedModel } from '../trained-model/trained-model.js';
import { allBut } from './names.js';
import { mergedState } from './merged-state.js';
import { startReport } from './report.js';
import { selectTensors, type TensorSelection } from './tensor-selection.js';

/** How a new run starts: from drawn weights, or from those of another run. */
export interface Start {
  /**
   * Finds and reads what it starts from, and sees that it fits; undefined where weights are drawn.
   * @throws UserError (checkpoint), or (config) for a model that cannot take what it says
   */
  readonly originOf: (() => Promise<WarmStartSource>) | undefined;
  /**
   * Adds what was learned on train to what was learned then, so that ids keep their meaning.
   * @throws UserError (config) where a table would lose rows
   */
  grow(learned: Fitted): Fitted;
  /**
   * Takes over how labels were scaled then, into what a run knows of its data, where what has learned to say them is
   * taken.
   */
  keepScales(data: DataState): DataState;
  /**
   * Gives a program its first weights, and tells what was taken, what is new and what was left. Once: they are
   * forgotten then,
   * since they may be half of the memory.
   */
  begin(program: Pick<Program, 'state' | 'restore'>, log: Pick<RunLog, 'event'>, warn: (notice: string) => void): void;
}

const DRAWN: Start = {
  originOf: undefined,
  grow: (learned) => learned,
  keepScales: (data) => data,
  begin: () => undefined,
};

/**
 * How the new run of a config starts. Nothing is read before it is known that there is a new run.
 * @param peers who start it together: each reads what it starts from, and takes its own rows
 */
export function startOf(experiment: Experiment, fields: readonly Field[], peers: ProcessGroup = SINGLE_PROCESS): Start {
  const { initFrom } = experiment;
  if (initFrom === undefined) return DRAWN;
  let origin: Opened | undefined;
  let grown: GrownFitted | undefined;
  const opened = (): Opened => {
    if (origin === undefined) throw new Error('what a run starts from is opened before its folder is made');
    return origin;
  };
  return {
    async originOf() {
      origin = await open(initFrom, experiment, fields);
      return origin.origin;
    },
    grow(learned) {
      const { before, taken } = opened();
      grown = growFitted(
        fields,
        before.checkpoint.fitted,
        learned,
        taken.keepsFitted,
        initFrom.staleTokens === 'evict',
      );
      refuseFewerRows(before, taken, fields, grown.fitted);
      return grown.fitted;
    },
    keepScales(data) {
      // A run that goes on has its own.
      if (origin === undefined) return data;
      const {
        before: { checkpoint, folder, tasks },
        taken,
      } = origin;
      const { labelScales: then = {} } = readSection(checkpoint.sections, dataSection, join(folder, FILES.state));
      const kept = tasks
        .filter((task) => Object.hasOwn(then, task.name) && taken.keepsScale(task))
        .map(({ name }) => [name, then[name]] as const);
      if (kept.length > 0) data.labelScales = Object.fromEntries(kept);
      return data;
    },
    begin(program, log, warn) {
      const { before, taken, notices, origin: from } = opened();
      const { changes, kept } = grown!;
      const saved = before.checkpoint.program;
      const cleared = new Map(
        [...changes].flatMap(([name, change]) =>
          taken.tablesOf(name).map((tensor): [string, Grown['cleared']] => [tensor, change.cleared]),
        ),
      );
      const drawn = program.state();
      program.restore(mergedState(drawn, saved, taken.names, cleared, peers));
      origin = undefined;
      const scaled = before.tasks
        .filter((task) => task.scaling !== undefined && taken.keepsScale(task))
        .map(({ name }) => `the label of ${name}`);
      const report = startReport({
        from,
        initFrom,
        steps: saved.step,
        taken,
        kept: [...kept, ...scaled],
        changes,
        rowsBefore: new Map([...saved.weights].map(([name, { shape }]) => [name, shape[0]!])),
        rowsNow: new Map([...drawn.weights].map(([name, { shape }]) => [name, drawn.dealt?.get(name) ?? shape[0]!])),
      });
      log.event('initFrom', report.details);
      for (const line of [...notices, ...report.lines]) warn(line);
    },
  };
}

/** A checkpoint that was read, and what is taken of it. */
interface Opened {
  readonly origin: WarmStartSource;
  /** What there is to say about how it was found. */
  readonly notices: readonly string[];
  readonly before: TrainedModel;
  readonly taken: TensorSelection;
}

async function open(initFrom: InitFromOptions, experiment: Experiment, fields: readonly Field[]): Promise<Opened> {
  const { found, notices } = find(initFrom.checkpoint);
  const folder = realpathSync(found);
  const before = await readTrainedModel(folder, { withOptimizer: initFrom.optimizer === 'keep', raw: true });
  const tasks = listTasks(experiment);
  const lookups = listLookups(experiment.model, tasks);
  // How wide a vector is may be known only when train is read; until then, any width will do.
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
  return { origin: { checkpoint: folder, sha256: await manifestDigest(folder) }, notices, before, taken };
}

/**
 * The folder of the checkpoint that a path means. A run that failed before it had one stands for what it was to start
 * from, so
 * that a night that went wrong breaks no chain.
 * @throws UserError (checkpoint)
 */
function find(path: string): { readonly found: string; readonly notices: readonly string[] } {
  try {
    return { found: findCheckpoint(path), notices: [] };
  } catch (error) {
    const origin = error instanceof UserError ? readWarmStartSource(path) : undefined;
    if (origin === undefined) throw error;
    return {
      found: findCheckpoint(origin.checkpoint),
      notices: [`${path} has no checkpoint: what it was to start from is taken`],
    };
  }
}

/** A table that is taken has the rows that it had, and more only where these then lie where they lay. */
function refuseFewerRows(
  { checkpoint }: TrainedModel,
  taken: TensorSelection,
  fields: readonly Field[],
  fitted: Fitted,
): void {
  const problems = encodedFields(fields, fitted).flatMap((field): Problem[] => {
    const { name, owner, rows, grow } = field;
    const tables = owner === name ? taken.tablesOf(name) : [];
    const had = tables.length > 0 ? checkpoint.program.weights.get(tables[0]!)!.shape[0]! : rows;
    if (rows === had || (rows > had && grow !== undefined)) return [];
    const fix =
      rows > had
        ? `give it the ${had} rows that it had, or leave it out: ${allBut(...tables)}`
        : `give it ${had} ids in encoding.sizes, or leave its size out, so that it is counted`;
    return [{ key: `field '${name}'`, message: `has ${had} rows in the checkpoint, here ${rows}`, fix }];
  });
  if (problems.length > 0) throw new UserError('config', problems);
}
