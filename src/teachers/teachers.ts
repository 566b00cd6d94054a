import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { listTasks, type Experiment } from '../config/experiment.js';
import { storedExperiment } from '../config/stored.js';
import { didYouMean, quoted, userError } from '../core/errors.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import { teacherColumn, type Task } from '../core/tasks.js';
import { splitStates } from '../data/counters/counter-start.js';
import { dialectOf, type DialectOptions } from '../data/dialect.js';
import { joinComputed, type ComputeColumns } from '../data/sources/computed-columns.js';
import { CounterPass } from '../data/sources/counter-pass.js';
import { TeacherPass, type RowScorer, type Teacher } from '../data/sources/teacher-pass.js';
import { createEngine, type EngineOptions } from '../engines/engines.js';
import { listOutputs, listPredictedOutputs } from '../evaluation/outputs.js';
import { findLoss } from '../losses/losses.js';
import { createScorer } from '../predict/scorer.js';
import { readCheckpointConfig } from '../runs/checkpoint.js';
import { findNamedCheckpoint } from '../runs/find-named-run.js';
import { FILES, manifestDigest } from '../runs/manifest.js';
import { runsRoot, shownPath } from '../runs/runs-root.js';
import { readTeachers, writeTeachers, type TeacherRecord } from '../runs/teacher-record.js';
import {
  compileTrained,
  readTrainedModel,
  withEvents,
  unlabeledFormat,
  type TrainedModel,
} from '../trained-model/trained-model.js';

/** The runs that the tasks of a config are distilled from. */
export interface Teachers {
  /** Computes the columns with their probabilities, after `use`. */
  readonly compute: ComputeColumns;
  /**
   * Finds the teachers and checks that they predict the tasks.
   * @throws UserError (checkpoint) for a run without checkpoint; (config) for one without the output
   */
  find(): Promise<readonly TeacherRecord[]>;
  /**
   * Uses the teachers that a run has recorded; a new run records those that `find` returns, since a name such as
   * `latest` may mean another run later.
   * @param run its directory
   * @throws UserError as `find`; (disk)
   */
  use(run: string, peers?: ProcessGroup): Promise<readonly TeacherRecord[]>;
}

/** Options of the engine that scores rows. */
type CpuOptions = Pick<EngineOptions, 'threads' | 'portable'>;

/** A task that is distilled from a run. */
interface Distilled {
  readonly task: string;
  readonly from: string;
  readonly output: string;
  readonly column: string;
}

/** Creates the teachers of a config; nothing is read. */
export function createTeachers(
  { data, tasks, runs }: Pick<Experiment, 'data' | 'tasks' | 'runs'>,
  { threads, portable }: CpuOptions = {},
): Teachers {
  const distilled = listTasks({ tasks }).flatMap(({ name: task, distill }): Distilled[] =>
    distill?.from === undefined
      ? []
      : [{ task, from: distill.from, output: distill.task ?? task, column: teacherColumn(task, distill) }],
  );
  const dialect = dialectOf(data);
  let used: readonly TeacherRecord[] = [];
  const passes = [...new Set(distilled.map(({ from }) => from))].map((from) => {
    const own = distilled.filter((each) => each.from === from);
    let teacher: Promise<Teacher> | undefined;
    const create = (): Promise<Teacher> =>
      createTeacher(
        own.map(({ task }) => used.find((record) => record.task === task)!),
        dialect,
        { threads, portable },
      );
    return new TeacherPass({
      columns: own.map(({ column }) => column),
      key: distillKey(own[0]!.task),
      dialect,
      find: () => (teacher ??= create()),
    });
  });
  const find = async (): Promise<readonly TeacherRecord[]> => {
    const found: TeacherRecord[] = [];
    for (const each of distilled) found.push(await findTeacher(each, runsRoot(runs)));
    return found;
  };
  return {
    compute: joinComputed(passes.map(({ compute }) => compute)),
    find,
    async use(run, peers = SINGLE_PROCESS) {
      if (distilled.length === 0) return [];
      // Ranks other than 0 read the record of rank 0.
      used = await peers.rankZeroFirst(async () => {
        const recorded = readTeachers(run);
        const isOwn = distilled.every(({ task, from, output }) =>
          recorded.some((each) => each.task === task && each.from === from && each.output === output),
        );
        const own = isOwn ? recorded : await find();
        if (!isOwn) await writeTeachers(run, own);
        return own;
      });
      return used;
    },
  };
}

function distillKey(task: string): string {
  return `tasks.${task}.distill.from`;
}

/** Finds the teacher of a task and checks that it predicts probabilities of it. */
async function findTeacher({ task, from, output }: Distilled, root: string): Promise<TeacherRecord> {
  const key = distillKey(task);
  const folder = realpathSync(findNamedCheckpoint(from, root, key));
  const { config, step } = await readCheckpointConfig(folder);
  const experiment = storedExperiment(config, join(folder, FILES.config));
  const tasks = listTasks(experiment);
  const outputs = listPredictedOutputs(listOutputs(tasks));
  const found = outputs.find(({ name }) => name === output);
  const refuse = (message: string, fix: string): Error =>
    userError('config', { where: shownPath(folder), key, message, fix });
  const names = outputs.map(({ name }) => name);
  if (found === undefined)
    throw refuse(
      `does not predict ${quoted(output)}, but ${names.join(', ')}`,
      didYouMean(output, names) ?? `set distill.task to one of them`,
    );
  const isProbability = (each: Task): boolean =>
    !found.factors.includes(each.name) || (each.type === 'classification' && findLoss(each).outputKind !== 'score');
  if (!tasks.every(isProbability))
    throw refuse(`its output ${quoted(output)} is not a probability`, 'use an output of a classification');
  const hasCounters = experiment.data.counters !== undefined;
  return { task, from, output, checkpoint: folder, step, hasCounters, sha256: await manifestDigest(folder) };
}

/**
 * Creates a teacher from the records of its tasks.
 * @param dialect of the files that it scores
 */
async function createTeacher(
  records: readonly TeacherRecord[],
  dialect: DialectOptions,
  options: CpuOptions,
): Promise<Teacher> {
  const [{ checkpoint, sha256, hasCounters }] = records as [TeacherRecord];
  const outputs = records.map(({ output }) => output);
  const readModel = async (): Promise<TrainedModel> => {
    if ((await manifestDigest(checkpoint)) !== sha256)
      throw userError('checkpoint', {
        where: shownPath(checkpoint),
        message: 'changed since the run started, which is distilled from it',
        fix: 'restore the checkpoint, or start a new run',
      });
    return withEvents(await readTrainedModel(checkpoint));
  };
  return {
    name: shownPath(checkpoint),
    key: JSON.stringify([sha256, outputs]),
    counters: hasCounters ? countersOf(await readModel(), dialect) : undefined,
    open: async () => openScorer(await readModel(), outputs, options),
  };
}

/** Computes the counters of a model, which continue after the rows that it was trained on. */
function countersOf({ checkpoint, experiment: { data } }: TrainedModel, dialect: DialectOptions): ComputeColumns {
  return joinComputed([CounterPass.of(data, splitStates(checkpoint.counters), dialect)?.compute]);
}

/** Compiles a model to score rows on the CPU, whose results do not depend on the number of threads. */
async function openScorer(model: TrainedModel, names: readonly string[], options: CpuOptions): Promise<RowScorer> {
  const format = unlabeledFormat(model);
  const outputs = names.map((name) => model.outputs.find((output) => output.name === name)!);
  const program = compileTrained(model, await createEngine({ ...options, device: 'cpu' }), () => undefined);
  const scorer = createScorer({ program, outputs, fields: format.fields, maxNonFiniteRows: Infinity });
  return { format, score: (rows) => scorer.score(rows), dispose: () => program.dispose() };
}
