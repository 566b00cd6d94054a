import { z } from 'zod';
import { checkDialect } from '../data/dialect.js';
import { checkData, dataOptions, splitFilesOf } from '../data/options.js';
import { didYouMean, joined } from '../core/errors.js';
import { collectDirections } from '../evaluation/metric-direction.js';
import { checkEvaluation, evaluationSection, resolveMeasuring } from '../evaluation/options.js';
import { calibrationSection, checkCalibration } from '../evaluation/calibration/options.js';
import { listOutputs } from '../evaluation/outputs.js';
import { checkFeatures } from '../features/check.js';
import { featureTypes, computeLayout } from '../features/feature-types.js';
import { inputsOf } from '../graph/features.js';
import { resolveLoss, lossOption, findLoss, losses } from '../losses/losses.js';
import { buildModel, listLookups, models, type ModelSpec } from '../models/models.js';
import { IncompatibleFeaturesError, type ValidationIssue } from '../core/component.js';
import { checkpointOptions } from '../runs/options.js';
import { initFromOptions } from '../runs/init-from.js';
import { checkLabelScaling } from '../core/scaling.js';
import { normalizeGiven, labelColumns, rootTasks, taskOptions, tasksGiven, type Task } from '../core/tasks.js';
import { checkTraining } from '../training/check-training.js';
import { checkTrack, trackOptions } from '../track/trackers.js';
import { trainingOptions } from '../training/options.js';
import { wrongMonitor } from '../training/monitor-sum.js';
import { readsValidation } from '../training/train-step.js';

const name = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,63}$/, 'a name: a letter, then letters, digits, - or _, 64 characters at most');

/** The whole of a config. Every section belongs to the folder that reads it; this only puts them together. */
export const experimentSchema = z.strictObject({
  name: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
      'a name for the folder of its runs: letters, digits, dots, - and _ (without the key, it is the name of the config file)',
    )
    .describe('Name of the run directory; default: name of the config file'),
  $schema: z.string().optional().describe('JSON Schema for editors; ignored by mtl'),
  runs: z
    .string()
    .min(1)
    .optional()
    .describe('Directory of all runs, relative to the config; MTL_RUNS overrides it; default: runs in the project'),
  seed: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(2026)
    .describe('Random seed for initialization, shuffling and dropout'),
  data: dataOptions,
  features: z.record(name, featureTypes.schema).describe('Feature groups by name, in input order'),
  tasks: z
    .record(name, taskOptions.extend({ loss: lossOption.optional().describe(taskOptions.shape.loss.description!) }))
    .describe('Tasks by name'),
  model: models.schema.describe('Model name and options'),
  training: trainingOptions.prefault({}),
  evaluation: evaluationSection.optional(),
  calibration: calibrationSection.optional(),
  checkpoints: checkpointOptions.prefault({}),
  initFrom: initFromOptions.optional(),
  loggers: trackOptions.prefault({}),
});

/** A config that was parsed and checked: all defaults filled in. */
export type Experiment = z.output<typeof experimentSchema>;

/** The tasks of a config as a list. */
export function listTasks(experiment: Pick<Experiment, 'tasks'>): readonly Task[] {
  return Object.entries(experiment.tasks).map(([name, options]) => {
    const { range, taskTypes } = findLoss(options);
    const { by } = losses.build(resolveLoss(options));
    return {
      name,
      ...options,
      ...(by !== undefined && { lossKey: by }),
      ...(options.type === 'regression' &&
        taskTypes.includes('regression') &&
        range !== undefined && { labelRange: range }),
    };
  });
}

/** What no section can know alone; sections that did not parse are left out, so that the others are still checked. */
export function* crossChecks({
  data,
  features,
  tasks: taskOptions,
  model,
  training,
  evaluation,
  calibration,
  checkpoints,
  loggers: track,
}: Partial<Experiment>): Generator<ValidationIssue> {
  const tasks = taskOptions && listTasks({ tasks: taskOptions });
  const wrong = [
    ...(features === undefined ? [] : checkFeatures(features, labelColumns(tasks ?? []))),
    ...(tasks === undefined ? [] : checkTasks(tasks, model)),
    ...(features === undefined || model === undefined ? [] : checkInputs(model, Object.keys(features))),
  ];
  yield* wrong;
  const terms =
    features !== undefined && tasks !== undefined && model !== undefined && wrong.length === 0
      ? yield* builtTerms(model, features, tasks)
      : undefined;
  if (data?.negativeSampling !== undefined && tasks !== undefined && tasks.length > 0) yield* checkSampling(tasks);
  if (training?.optimizer.wide !== undefined && model?.wide === false)
    yield {
      path: ['training', 'optimizer', 'wide'],
      message: 'the model has no wide part; give it one, as in model.wide: true, or leave this out',
    };
  if (training !== undefined)
    for (const { path, message } of checkTraining(training, terms)) yield { path: ['training', ...path], message };
  if (tasks !== undefined) {
    const goals = collectDirections(listOutputs(tasks), resolveMeasuring(evaluation));
    const asked = [
      ...(training === undefined ? [] : [{ path: ['training', 'monitor'], monitor: training.monitor }]),
      ...(checkpoints?.bestBy ?? []).map((monitor, i) => ({ path: ['checkpoints', 'bestBy', i], monitor })),
    ];
    for (const { path, monitor } of asked) {
      if (monitor === 'loss' && data?.negativeSampling !== undefined && splitFilesOf(data).valid !== undefined)
        yield {
          path,
          message: `expected a metric, as in ${tasks[0]?.name ?? 'ctr'}.logLoss: 'loss' is that of the sample, and valid is none`,
        };
      const wrong = wrongMonitor(monitor, goals, evaluation?.segmentBy ?? []);
      if (wrong !== undefined) yield { path, message: wrong };
      else if (path[0] === 'checkpoints' && monitor !== 'loss' && !goals.has(monitor))
        yield {
          path,
          message: `names a link of the run's checkpoints and so is one metric of all rows, as in ${[...goals.keys()][0]}, found '${monitor}'`,
        };
    }
  }
  if (evaluation !== undefined)
    for (const { path, message } of checkEvaluation(evaluation)) yield { path: ['evaluation', ...path], message };
  if (calibration !== undefined && tasks !== undefined)
    for (const { path, message } of checkCalibration(calibration, tasks))
      yield { path: ['calibration', ...path], message };
  if (track !== undefined)
    for (const { path, message } of checkTrack(track)) yield { path: ['loggers', ...path], message };
  if (data !== undefined)
    for (const { path, message } of [...checkDialect(data), ...checkData(data)])
      yield { path: ['data', ...path], message };
  if (data !== undefined && splitFilesOf(data).valid === undefined) {
    if (calibration !== undefined) yield { path: ['calibration'], message: 'needs data.valid to be fitted on' };
    if (training?.earlyStopping !== undefined)
      yield { path: ['training', 'earlyStopping'], message: 'needs data.valid to look at' };
    if (training?.evaluation !== undefined)
      yield { path: ['training', 'evaluation'], message: 'needs data.valid to look at' };
    if (training !== undefined && readsValidation(training.schedule))
      yield { path: ['training', 'schedule'], message: `${training.schedule.name} needs data.valid to look at` };
    if (checkpoints !== undefined && checkpoints.bestBy.length > 0)
      yield { path: ['checkpoints', 'bestBy'], message: 'needs data.valid to look at' };
    if (training !== undefined && training.monitor !== 'loss')
      yield { path: ['training', 'monitor'], message: 'needs data.valid to look at' };
  }
}

/** Parts of a model read groups that there are, each once. */
function* checkInputs(model: ModelSpec, known: readonly string[]): Generator<ValidationIssue> {
  for (const { path, groups } of inputsOf(model)) {
    for (const [i, group] of groups.entries()) {
      const at = ['model', ...path, i];
      if (!known.includes(group))
        yield {
          path: at,
          message: joined(
            `expected a group of features (${known.join(', ')}), found '${group}'`,
            didYouMean(group, known),
          ),
        };
      else if (groups.indexOf(group) < i) yield { path: at, message: `'${group}' stands there twice` };
    }
  }
}

/** Builds the model, which may not fit the features; gives the names of the terms of its loss where it does. */
function* builtTerms(
  model: ModelSpec,
  groups: Experiment['features'],
  tasks: readonly Task[],
): Generator<ValidationIssue, readonly string[] | undefined> {
  // How wide a vector is may be known of train alone.
  const fields = Object.values(groups)
    .flatMap((group) => featureTypes.build(group))
    .map((field) => ({ ...field, width: Math.max(field.width, 1) }));
  const layout = computeLayout(fields, { groups, ...listLookups(model, tasks) });
  const names = layout.tables.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) {
    yield {
      path: ['model', 'wide'],
      message: `makes a table called '${twice}' beside that of the field '${twice}'; give that field another name`,
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

/** The tasks fit together, and fit the model. */
function* checkTasks(tasks: readonly Task[], model: ModelSpec | undefined): Generator<ValidationIssue> {
  const spaces = listOutputs(tasks);
  for (const task of tasks) {
    const given = normalizeGiven(task);
    if (
      given !== undefined &&
      (given.named === task.label || (given.named === task.name && tasksGiven(task, tasks).length === 0))
    ) {
      yield {
        path: ['tasks', task.name, 'given', ...(typeof task.given === 'object' ? ['label'] : [])],
        message: 'expected another column than the label',
      };
    }
    if (!findLoss(task).taskTypes.includes(task.type)) {
      const others = losses.parts
        .filter(({ taskTypes }) => taskTypes.some((type) => type === task.type))
        .map((part) => part.name);
      yield {
        path: ['tasks', task.name, 'loss'],
        message: `${findLoss(task).name} is not for a ${task.type}; take ${others.join(', ')}`,
      };
    }
    if (task.scaling !== undefined) {
      if (task.type === 'classification')
        yield {
          path: ['tasks', task.name, 'scaling'],
          message: 'a class is 1 or 0, and nothing to scale; leave it out, or take type: regression',
        };
      const { name: loss, takesScaling } = findLoss(task);
      if (task.type === 'regression' && !takesScaling)
        yield {
          path: ['tasks', task.name, 'scaling'],
          message: `${loss} means the label as it is; leave scaling out, or take another loss`,
        };
      for (const { path, message } of checkLabelScaling(task.scaling))
        yield { path: ['tasks', task.name, 'scaling', ...path], message };
    }
    if (task.type === 'regression') {
      if (typeof task.label !== 'string')
        yield {
          path: ['tasks', task.name, 'label'],
          message:
            'a condition is 1 or 0, and the task is a regression; take type: classification, or the column itself as label',
        };
      if (task.onMissing === 'negative')
        yield { path: ['tasks', task.name, 'onMissing'], message: 'a regression has no negatives; take mask or drop' };
      if (task.positiveWeight !== undefined)
        yield {
          path: ['tasks', task.name, 'positiveWeight'],
          message: 'a regression has no positives; take sampleWeight',
        };
    }
    if (spaces.filter((space) => space.name === task.name).length > 1) {
      yield {
        path: ['tasks', task.name],
        message: `'${task.name}' is also what another task is reported as; rename one`,
      };
    }
  }
  if (tasks.length === 0) yield { path: ['tasks'], message: 'expected at least one task' };
  if (model !== undefined && tasks.length > 0) yield* models.partOf(model).checkTasks?.(tasks, model as never) ?? [];
}

/**
 * A share of the negatives is a share of those of one label; what is predicted of others could not be corrected for it.
 */
function* checkSampling(tasks: readonly Task[]): Generator<ValidationIssue> {
  const roots = rootTasks(tasks);
  const fix = 'leave negativeSampling out, or sample before and give the rows a sampleWeight';
  if (roots.length !== 1)
    yield {
      path: ['data', 'negativeSampling'],
      message: `expected one task that all others are given, as in click, cart, pay, since predictions are corrected by it; found ${roots.length}: ${roots.map(({ name }) => name).join(', ')}; ${fix}`,
    };
  else if (findLoss(roots[0]!).says === 'score')
    yield {
      path: ['data', 'negativeSampling'],
      message: `predictions of '${roots[0]!.name}' are no probabilities with the loss ${resolveLoss(roots[0]!).name}, and could not be corrected; ${fix}`,
    };
  else if (roots[0]!.type !== 'classification')
    yield {
      path: ['data', 'negativeSampling'],
      message: `'${roots[0]!.name}' is a regression, which has no negatives; ${fix}`,
    };
}
