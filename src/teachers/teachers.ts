import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { listTasks, type Experiment } from '../config/experiment.js';
import { storedExperiment } from '../config/stored.js';
import { didYouMean, quoted, userError } from '../core/errors.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import { teacherColumn, type Task } from '../core/tasks.js';
import { dialectOf } from '../data/dialect.js';
import { joinComputed, type ComputeColumns } from '../data/sources/computed-columns.js';
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
import { compileTrained, readTrainedModel, unlabeledFormat } from '../trained-model/trained-model.js';

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
  let used: readonly TeacherRecord[] | undefined;
  const passes = [...new Set(distilled.map(({ from }) => from))].map((from) => {
    const own = distilled.filter((each) => each.from === from);
    return new TeacherPass({
      columns: own.map(({ column }) => column),
      key: distillKey(own[0]!.task),
      dialect: dialectOf(data),
      find: () => {
        const records = own.map(({ task }) => used?.find((record) => record.task === task));
        if (records.some((record) => record === undefined)) throw new Error(`${from} must be found before it is used`);
        return Promise.resolve(createTeacher(records as TeacherRecord[], { threads, portable }));
      },
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
  if (experiment.data.counters !== undefined)
    throw refuse(
      'uses data.counters, whose values for these rows depend on the rows before',
      'add its predictions as a column with mtl predict, and set distill.column',
    );
  return { task, from, output, checkpoint: folder, step, sha256: await manifestDigest(folder) };
}

/** Creates a teacher from the records of its tasks. */
function createTeacher(records: readonly TeacherRecord[], options: CpuOptions): Teacher {
  const [{ checkpoint, sha256 }] = records as [TeacherRecord];
  const outputs = records.map(({ output }) => output);
  return {
    name: shownPath(checkpoint),
    key: JSON.stringify([sha256, outputs]),
    async open() {
      const found = await manifestDigest(checkpoint);
      if (found !== sha256)
        throw userError('checkpoint', {
          where: shownPath(checkpoint),
          message: 'changed since the run started, which is distilled from it',
          fix: 'restore the checkpoint, or start a new run',
        });
      return openScorer(checkpoint, outputs, options);
    },
  };
}

/** Loads a checkpoint to score rows on the CPU, whose results do not depend on the number of threads. */
async function openScorer(checkpoint: string, names: readonly string[], options: CpuOptions): Promise<RowScorer> {
  const model = await readTrainedModel(checkpoint);
  const format = unlabeledFormat(model);
  const outputs = names.map((name) => model.outputs.find((output) => output.name === name)!);
  const program = compileTrained(model, await createEngine({ ...options, device: 'cpu' }), () => undefined);
  const scorer = createScorer({ program, outputs, fields: format.fields, maxNonFiniteRows: Infinity });
  return { format, score: (rows) => scorer.score(rows), dispose: () => program.dispose() };
}
