import { join } from 'node:path';
import { listTasks } from '../../config/experiment.js';
import { storedExperiment } from '../../config/stored.js';
import { didYouMean, quoted, userError } from '../../core/errors.js';
import type { Task } from '../../core/tasks.js';
import { FILES } from '../../runs/manifest.js';
import type { ModelFacts } from '../messages.js';
import { listLiveOutputs, LIVE_METRICS, type ComparisonSpec } from './live-comparison.js';
import type { CanaryOptions, CanaryRule, Side } from './options.js';
import { MTL } from '../../system/command-name.js';

/**
 * Returns how two models are compared.
 * @throws UserError (usage) if the candidate requires other inputs or has other tasks, or the rule names no metric with
 * a direction and an interval
 */
export function describePair(
  { present, candidate }: Readonly<Record<Side, ModelFacts>>,
  { kind, path, rule }: CanaryOptions,
): ComparisonSpec {
  const where = `--${kind} ${path}`;
  checkInputs(present, candidate, where);
  const [own, other] = [readConfig(present), readConfig(candidate)];
  checkTasks(own.tasks, other.tasks, where);
  if (rule !== undefined) checkMetric(rule, own.tasks);
  return { ...own, isPaired: kind === 'shadow', rule };
}

function readConfig({ checkpoint, config }: ModelFacts): Pick<ComparisonSpec, 'tasks' | 'cells'> {
  const experiment = storedExperiment(config, join(checkpoint, FILES.config));
  const { nullValues, trim, decimal } = experiment.data;
  return {
    tasks: listTasks(experiment).map((task): Task => ({
      ...task,
      delay: undefined,
      distill: undefined,
      sampleWeight: undefined,
    })),
    cells: { nullValues, trim, decimal },
  };
}

function checkInputs({ inputs }: ModelFacts, candidate: ModelFacts, where: string): void {
  const required = (facts: Pick<ModelFacts, 'inputs'>): readonly string[] =>
    facts.inputs.filter(({ isOptional }) => isOptional !== true).map(({ name }) => name);
  const sent = required({ inputs });
  const missing = required(candidate).filter((name) => !sent.includes(name));
  if (missing.length === 0) return;
  throw userError('usage', {
    where,
    message: `requires columns that the present model does not: ${missing.map((name) => quoted(name)).join(', ')}`,
    fix: `choose a run with the same columns, or compare with ${MTL} diff and use ${MTL} promote`,
  });
}

function checkTasks(own: readonly Task[], other: readonly Task[], where: string): void {
  const describe = ({ label, type, given, onMissing }: Task): string =>
    JSON.stringify({ label, type, given, ...(onMissing !== 'error' && { onMissing }) });
  const names = [...new Set([...own, ...other].map(({ name }) => name))];
  for (const name of names) {
    const [a, b] = [own, other].map((tasks) => tasks.find((task) => task.name === name));
    const [mine, theirs] = [a, b].map((task) => (task === undefined ? 'none' : describe(task)));
    if (mine === theirs) continue;
    throw userError('usage', {
      where,
      key: `tasks.${name}`,
      message: `differs from the present model: expected ${mine}, found ${theirs}`,
      fix: 'choose a run with the same tasks',
    });
  }
}

function checkMetric({ metric }: CanaryRule, tasks: readonly Task[]): void {
  const names = listLiveOutputs(tasks).flatMap(({ name, type }) =>
    LIVE_METRICS.filter(({ taskType, standardError }) => taskType === type && standardError !== undefined)
      .map(({ values: [main] }) => main)
      .filter(({ goal }) => goal !== 'none')
      .map((main) => `${name}.${main.name}`),
  );
  if (names.includes(metric)) return;
  const matches = names.filter((name) => name.endsWith(`.${metric}`));
  throw userError('usage', {
    where: `--promote-if ${metric}`,
    message: 'the models have no such metric with a better direction and an interval',
    fix:
      matches.length > 0
        ? `use ${matches.map((name) => `--promote-if ${name}`).join(' or ')}`
        : (didYouMean(metric, names) ?? `name one of ${names.join(', ')}`),
  });
}
