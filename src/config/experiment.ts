import { z } from 'zod';
import { checkDelays } from './check-delays.js';
import { checkDialect } from '../data/dialect.js';
import { checkData, dataOptions, listSplitFiles } from '../data/options.js';
import { didYouMean, joined, quoted } from '../core/errors.js';
import { collectDirections } from '../evaluation/metric-direction.js';
import { checkEvaluation, evaluationSection, resolveMeasuring } from '../evaluation/options.js';
import { calibrationSection, checkCalibration } from '../evaluation/calibration/options.js';
import { listOutputs } from '../evaluation/outputs.js';
import { checkFeatures, checkLogs, checkTables } from '../features/check.js';
import { delays } from '../delay/delays.js';
import { computeLayout, featureTypes, createFields } from '../features/feature-types.js';
import { findInputs } from '../graph/features.js';
import { resolveLoss, lossOption, findLoss, losses } from '../losses/losses.js';
import { buildModel, listLookups, models, type ModelSpec } from '../models/models.js';
import { IncompatibleFeaturesError, type ValidationIssue } from '../core/component.js';
import { checkDelta, checkpointOptions } from '../runs/options.js';
import { initFromOptions } from '../runs/init-from.js';
import { checkLabelScaling } from '../core/scaling.js';
import { normalizeGiven, labelColumns, rootTasks, taskOptions, tasksGiven, type Task } from '../core/tasks.js';
import { checkTraining } from '../training/check-training.js';
import { checkTrack, trackOptions } from '../track/trackers.js';
import { trainingOptions } from '../training/options.js';
import { explainInvalidMonitor } from '../training/monitor-sum.js';
import { readsValidation } from '../training/train-step.js';

const name = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, 'a name of at most 64 characters: a letter, then letters, digits, - or _');

/** Schema of a config. Every section is defined by the directory that reads it. */
export const experimentSchema = z.strictObject({
  name: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
      'a directory name of letters, digits, dots, - and _ (default: the name of the config file)',
    )
    .describe('Name of the run directory; default: name of the config file'),
  $schema: z.string().optional().describe('JSON Schema for editors; ignored by mtl'),
  runs: z
    .string()
    .min(1)
    .optional()
    .describe('Directory of all runs; MTL_RUNS overrides it; default: runs in the project'),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(2026)
    .describe('Random seed for initialization, shuffling and dropout'),
  data: dataOptions,
  features: z.record(name, featureTypes.schema).describe('Feature groups by name, in input order'),
  tasks: z
    .record(
      name,
      taskOptions.extend({
        loss: lossOption.optional().describe(taskOptions.shape.loss.description!),
        delay: delays.schema.optional().describe(taskOptions.shape.delay.description!),
      }),
    )
    .describe('Tasks by name'),
  model: models.schema.describe('Model name and options'),
  training: trainingOptions.prefault({}),
  evaluation: evaluationSection.optional(),
  calibration: calibrationSection.optional(),
  checkpoints: checkpointOptions.prefault({}),
  initFrom: initFromOptions.optional(),
  loggers: trackOptions.prefault({}),
});

/** A parsed and validated config with all defaults. */
export type Experiment = z.output<typeof experimentSchema>;

/** Lists the tasks of a config. */
export function listTasks(experiment: Pick<Experiment, 'tasks'>): readonly Task[] {
  return Object.entries(experiment.tasks).map(([name, options]) => {
    const { range, taskTypes } = findLoss(options);
    const { groupBy } = losses.build(resolveLoss(options));
    return {
      name,
      ...options,
      // A label may be unknown in the log too.
      ...(options.delay !== undefined && { onMissing: 'mask' as const }),
      ...(groupBy !== undefined && { lossKey: groupBy }),
      ...(options.type === 'regression' &&
        taskTypes.includes('regression') &&
        range !== undefined && { labelRange: range }),
    };
  });
}

/** Validates across sections. Sections that did not parse are omitted, so that the others are still checked. */
export function* crossChecks(sections: Partial<Experiment>): Generator<ValidationIssue> {
  const {
    data,
    features,
    tasks: taskOptions,
    model,
    training,
    evaluation,
    calibration,
    checkpoints,
    loggers,
  } = sections;
  const tasks = taskOptions && listTasks({ tasks: taskOptions });
  const issues = [
    ...(features === undefined ? [] : checkFeatures(features, labelColumns(tasks ?? []))),
    ...(features === undefined || data === undefined ? [] : checkTables(features, Object.keys(data.lookups ?? {}))),
    ...(features === undefined || data?.sequences === undefined ? [] : checkLogs(features, data.sequences)),
    ...(tasks === undefined ? [] : checkTasks(tasks, model)),
    ...(tasks === undefined ? [] : checkDelays(tasks, { training, data })),
    ...(features === undefined || model === undefined ? [] : checkInputs(model, Object.keys(features))),
  ];
  yield* issues;
  const terms =
    features !== undefined && tasks !== undefined && model !== undefined && issues.length === 0
      ? yield* buildTerms(model, features, tasks)
      : undefined;
  if (data?.negativeSampling !== undefined && tasks !== undefined && tasks.length > 0) yield* checkSampling(tasks);
  if (training?.optimizer.wide !== undefined && model?.wide === false)
    yield {
      path: ['training', 'optimizer', 'wide'],
      message: 'the model has no wide part; set model.wide: true, or remove this optimizer',
    };
  if (training !== undefined) yield* within('training', checkTraining(training, terms));
  if (checkpoints !== undefined && training !== undefined) yield* checkDelta(checkpoints, training);
  if (tasks !== undefined) yield* checkMonitors(tasks, sections);
  if (evaluation !== undefined) yield* within('evaluation', checkEvaluation(evaluation));
  if (calibration !== undefined && tasks !== undefined)
    yield* within('calibration', checkCalibration(calibration, tasks));
  if (loggers !== undefined) yield* within('loggers', checkTrack(loggers));
  if (data !== undefined) yield* within('data', [...checkDialect(data), ...checkData(data)]);
  if (data !== undefined && listSplitFiles(data).valid === undefined) yield* checkUnvalidated(sections);
}

/** Adds the name of a section to the paths of its issues. */
function* within(section: string, issues: Iterable<ValidationIssue>): Generator<ValidationIssue> {
  for (const { path, message } of issues) yield { path: [section, ...path], message };
}

/** Requires that monitors name metrics, and that monitors of checkpoints name single metrics of all rows. */
function* checkMonitors(
  tasks: readonly Task[],
  { data, training, evaluation, checkpoints }: Partial<Experiment>,
): Generator<ValidationIssue> {
  const goals = collectDirections(listOutputs(tasks), resolveMeasuring(evaluation));
  const monitors = [
    ...(training === undefined ? [] : [{ path: ['training', 'monitor'], monitor: training.monitor }]),
    ...(checkpoints?.bestBy ?? []).map((monitor, i) => ({ path: ['checkpoints', 'bestBy', i], monitor })),
  ];
  for (const { path, monitor } of monitors) {
    if (monitor === 'loss' && data?.negativeSampling !== undefined && listSplitFiles(data).valid !== undefined)
      yield {
        path,
        message:
          "'loss' is not corrected for negative sampling; " +
          `use a metric, such as ${tasks[0]?.name ?? 'ctr'}.logLoss`,
      };
    const invalid = explainInvalidMonitor(monitor, goals, evaluation?.segmentBy ?? []);
    if (invalid !== undefined) yield { path, message: invalid };
    else if (path[0] === 'checkpoints' && monitor !== 'loss' && !goals.has(monitor))
      yield {
        path,
        message:
          `expected a single metric of all rows, since it names a checkpoint link, found ${quoted(monitor)}; ` +
          `use a metric, such as ${[...goals.keys()][0]}`,
      };
  }
}

/** Rejects options that require a validation set, if there is none. */
function* checkUnvalidated({ calibration, training, checkpoints }: Partial<Experiment>): Generator<ValidationIssue> {
  const schedule = training !== undefined && readsValidation(training.schedule) ? training.schedule : undefined;
  const options: readonly (readonly [path: readonly string[], isSet: boolean, subject?: string])[] = [
    [['calibration'], calibration !== undefined],
    [['training', 'earlyStopping'], training?.earlyStopping !== undefined],
    [['training', 'evaluation'], training?.evaluation !== undefined],
    [['training', 'schedule'], schedule !== undefined, `${schedule?.name} `],
    [['checkpoints', 'bestBy'], checkpoints !== undefined && checkpoints.bestBy.length > 0],
    [['training', 'monitor'], training !== undefined && training.monitor !== 'loss'],
  ];
  for (const [path, isSet, subject = ''] of options)
    if (isSet) yield { path, message: `${subject}requires a validation set; set data.valid` };
}

/** Requires that the option `input` of model components names known groups, each once. */
function* checkInputs(model: ModelSpec, known: readonly string[]): Generator<ValidationIssue> {
  for (const { path, groups } of findInputs(model)) {
    for (const [i, group] of groups.entries()) {
      const issuePath = ['model', ...path, i];
      if (!known.includes(group))
        yield {
          path: issuePath,
          message: joined(
            `expected a feature group (${known.join(', ')}), found ${quoted(group)}`,
            didYouMean(group, known),
          ),
        };
      else if (groups.indexOf(group) < i) yield { path: issuePath, message: `'${group}' is listed twice; remove one` };
    }
  }
}

/** Builds the model to detect incompatible features; returns the names of its loss terms if it succeeds. */
function* buildTerms(
  model: ModelSpec,
  groups: Experiment['features'],
  tasks: readonly Task[],
): Generator<ValidationIssue, readonly string[] | undefined> {
  // The length of a vector may be unknown before fitting.
  const fields = createFields(Object.values(groups)).map((field) => ({ ...field, width: Math.max(field.width, 1) }));
  const layout = computeLayout(fields, { groups, ...listLookups(model, tasks) });
  const names = layout.tables.map(({ name }) => name);
  const duplicate = names.find((name, i) => names.indexOf(name) < i);
  if (duplicate !== undefined) {
    yield {
      path: ['model', 'wide'],
      message: `adds a table '${duplicate}', which is also the name of a field; rename the field`,
    };
    return undefined;
  }
  try {
    return buildModel(model, layout, tasks).terms.map(({ name }) => name);
  } catch (error) {
    if (!(error instanceof IncompatibleFeaturesError)) throw error;
    yield error.finding;
    return undefined;
  }
}

/** Validates tasks against each other and against the model. */
function* checkTasks(tasks: readonly Task[], model: ModelSpec | undefined): Generator<ValidationIssue> {
  const outputs = listOutputs(tasks);
  for (const task of tasks) {
    const given = normalizeGiven(task);
    if (
      given !== undefined &&
      (given.named === task.label || (given.named === task.name && tasksGiven(task, tasks).length === 0))
    ) {
      yield {
        path: ['tasks', task.name, 'given', ...(typeof task.given === 'object' ? ['label'] : [])],
        message: 'expected a column other than the label',
      };
    }
    if (!findLoss(task).taskTypes.includes(task.type)) {
      const others = losses.parts
        .filter(({ taskTypes }) => taskTypes.some((type) => type === task.type))
        .map((part) => part.name);
      yield {
        path: ['tasks', task.name, 'loss'],
        message: `${findLoss(task).name} does not support ${task.type}; use one of ${others.join(', ')}`,
      };
    }
    yield* checkDistillation(task);
    yield* checkScaling(task);
    yield* checkRegression(task);
    if (outputs.filter((output) => output.name === task.name).length > 1) {
      yield {
        path: ['tasks', task.name],
        message: `'${task.name}' is also an output of another task; rename one of them`,
      };
    }
  }
  if (tasks.length === 0) yield { path: ['tasks'], message: 'expected at least one task' };
  if (model !== undefined && tasks.length > 0) yield* models.partOf(model).checkTasks?.(tasks, model as never) ?? [];
}

/** Requires that only labels of regressions are scaled, and that the loss permits it. */
function* checkScaling(task: Task): Generator<ValidationIssue> {
  const { name, type, scaling } = task;
  if (scaling === undefined) return;
  const path = ['tasks', name, 'scaling'];
  const { name: loss, takesScaling } = findLoss(task);
  if (type === 'classification')
    yield {
      path,
      message: 'classification labels are 0 or 1 and cannot be scaled; remove scaling, or set type: regression',
    };
  else if (!takesScaling)
    yield { path, message: `loss ${loss} requires unscaled labels; remove scaling, or use another loss` };
  for (const issue of checkLabelScaling(scaling)) yield { ...issue, path: [...path, ...issue.path] };
}

/** Rejects options of classifications for a regression. */
function* checkRegression({ name, type, label, onMissing, positiveWeight }: Task): Generator<ValidationIssue> {
  if (type !== 'regression') return;
  const path = ['tasks', name];
  if (typeof label !== 'string')
    yield {
      path: [...path, 'label'],
      message:
        'a condition gives labels 0 and 1, but the task is a regression; ' +
        'set type: classification, or use the column itself as label',
    };
  if (onMissing === 'negative')
    yield { path: [...path, 'onMissing'], message: 'a regression has no negatives; use mask or drop' };
  if (positiveWeight !== undefined)
    yield { path: [...path, 'positiveWeight'], message: 'a regression has no positives; use sampleWeight' };
}

/** Requires one teacher, and a logit, which distillation divides by the temperature. */
function* checkDistillation(task: Task): Generator<ValidationIssue> {
  const { name, type, distill } = task;
  if (distill === undefined) return;
  const path = ['tasks', name, 'distill'];
  const { column, from, task: output } = distill;
  if (column === undefined && from === undefined)
    yield { path, message: "expected a teacher; set column to its probabilities, or from to a run such as 'latest'" };
  if (column !== undefined && from !== undefined)
    yield { path: [...path, 'from'], message: 'cannot be combined with column; remove one of them' };
  if (output !== undefined && from === undefined)
    yield { path: [...path, 'task'], message: 'is an output of a run; set from to the run, or remove task' };
  const { name: loss, outputKind } = findLoss(task);
  if (type === 'regression')
    yield { path, message: 'a regression has no probability to distill; use the column as label, or remove distill' };
  else if (outputKind !== 'logit') {
    const others = losses.parts.filter((part) => part.outputKind === 'logit').map((part) => part.name);
    yield { path, message: `requires a logit, which loss ${loss} does not have; use ${others.join(' or ')}` };
  }
}

/** Requires a single root task: downsampling depends on its label, and predictions of others could not be corrected. */
function* checkSampling(tasks: readonly Task[]): Generator<ValidationIssue> {
  const roots = rootTasks(tasks);
  const fix = 'remove negativeSampling, or sample before mtl and set sampleWeight';
  if (roots.length !== 1)
    yield {
      path: ['data', 'negativeSampling'],
      message:
        `expected a single task without given, by which predictions are corrected, found ${roots.length}: ` +
        `${roots.map(({ name }) => name).join(', ')}; ${fix}`,
    };
  else if (findLoss(roots[0]!).outputKind === 'score')
    yield {
      path: ['data', 'negativeSampling'],
      message:
        `predictions of '${roots[0]!.name}' are not probabilities with loss ${resolveLoss(roots[0]!).name}, ` +
        `so they cannot be corrected; ${fix}`,
    };
  else if (roots[0]!.type !== 'classification')
    yield {
      path: ['data', 'negativeSampling'],
      message: `'${roots[0]!.name}' is a regression, which has no negatives; ${fix}`,
    };
}
