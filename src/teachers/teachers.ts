import { realpathSync } from 'node:fs';
import { listTasks, type Experiment } from '../config/experiment.js';
import { didYouMean, quoted, userError } from '../core/errors.js';
import { SINGLE_PROCESS, type ProcessGroup } from '../core/process-group.js';
import { teacherColumn, type Task } from '../core/tasks.js';
import { splitStates } from '../data/counters/counter-start.js';
import { parseDialect, type DialectOptions } from '../data/dialect.js';
import { joinComputed, type ComputeColumns } from '../data/sources/computed-columns.js';
import { CounterPass } from '../data/sources/counter-pass.js';
import { scoredColumns, type Teacher } from '../data/sources/teacher-pass.js';
import { listOutputs, listPredictedOutputs } from '../evaluation/outputs.js';
import { findLoss } from '../losses/losses.js';
import { findNamedModel } from '../runs/find-named-run.js';
import { manifestDigest } from '../runs/manifest.js';
import { runsRoot, shownPath } from '../runs/runs-root.js';
import { readTeachers, writeTeachers, type TeacherRecord } from '../runs/teacher-record.js';
import { hasTrees } from '../runs/tree-store.js';
import { networkTeacher } from './network-teacher.js';
import type { CpuOptions, TeacherFacts, TeacherKind, TeacherModel } from './teacher-model.js';
import { treeTeacher } from './tree-teacher.js';

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
  const dialect = parseDialect(data);
  let used: readonly TeacherRecord[] = [];
  const computed = [...new Set(distilled.map(({ from }) => from))].map((from) => {
    const own = distilled.filter((each) => each.from === from);
    let teacher: Promise<Teacher> | undefined;
    const create = (): Promise<Teacher> =>
      createTeacher(
        own.map(({ task }) => used.find((record) => record.task === task)!),
        dialect,
        { threads, portable },
      );
    return scoredColumns({
      columns: own.map(({ column }) => column),
      key: distillKey(own[0]!.task),
      dialect,
      find: () => (teacher ??= create()),
    });
  });
  const find = async (): Promise<readonly TeacherRecord[]> => {
    const facts = new Map<string, TeacherFacts>();
    const found: TeacherRecord[] = [];
    for (const each of distilled) found.push(await findTeacher(each, runsRoot(runs), facts));
    return found;
  };
  return {
    compute: joinComputed(computed),
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

/** Returns the kind of the model in a directory. */
function kindOf(folder: string): TeacherKind {
  return hasTrees(folder) ? treeTeacher : networkTeacher;
}

function distillKey(task: string): string {
  return `tasks.${task}.distill.from`;
}

/**
 * Finds the teacher of a task and checks that it predicts probabilities of it.
 * @param facts by directory; facts of other models are added
 */
async function findTeacher(
  { task, from, output }: Distilled,
  root: string,
  facts: Map<string, TeacherFacts>,
): Promise<TeacherRecord> {
  const key = distillKey(task);
  const folder = realpathSync(findNamedModel(from, root, key));
  const own = facts.get(folder) ?? (await kindOf(folder).describe(folder));
  facts.set(folder, own);
  const { experiment, step } = own;
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
  const readModel = async (): Promise<TeacherModel> => {
    if ((await manifestDigest(checkpoint)) !== sha256)
      throw userError('checkpoint', {
        where: shownPath(checkpoint),
        message: 'changed since the run started, which is distilled from it',
        fix: 'restore the checkpoint, or start a new run',
      });
    return kindOf(checkpoint).read(checkpoint);
  };
  return {
    name: shownPath(checkpoint),
    key: JSON.stringify([sha256, outputs]),
    counters: hasCounters ? countersOf(await readModel(), dialect) : undefined,
    open: async () => (await readModel()).open(outputs, options),
  };
}

/** Computes the counters of a model, which continue after the rows that it was trained on. */
function countersOf({ counters, experiment }: TeacherModel, dialect: DialectOptions): ComputeColumns {
  const pass = CounterPass.of(experiment.data, listTasks(experiment), splitStates(counters), dialect);
  return joinComputed([pass?.compute]);
}
