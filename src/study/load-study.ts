import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { listTasks, type Experiment } from '../config/experiment.js';
import { toIssues, toProblems, type Issue } from '../config/issues.js';
import { parseConfig } from '../config/load.js';
import { applyOverrides, parseOverride, type Override } from '../config/overrides.js';
import { parseYaml, type YamlSource } from '../config/yaml-source.js';
import { systemCode, UserError, userError, type Problem } from '../core/errors.js';
import { collectDirections } from '../evaluation/metric-direction.js';
import { resolveMeasuring } from '../evaluation/options.js';
import { listOutputs } from '../evaluation/outputs.js';
import { checkRegularFile } from '../io/regular-file.js';
import { getGoal } from '../training/monitor.js';
import { checkStudy, studyOptions, type StudyOptions } from './options.js';
import { searches } from './searches/searches.js';
import { buildSpace, cornerPoints, gridPoints, type Point } from './space.js';
import { listSettings, type StudyFacts } from './study.js';

/** A validated study file. */
export interface LoadedStudy {
  readonly facts: StudyFacts;
  readonly source: string;
  readonly configText: string;
  /** The config's directory of all runs. */
  readonly runs: string | undefined;
  /** Number of configs that were validated. */
  readonly numChecked: number;
}

/** Maximum number of problems to report. */
const MAX_PROBLEMS = 20;

/**
 * Reads a study file and validates configs: all points of a grid, or otherwise points with each choice and both ends of
 * each parameter.
 * @param cliOverrides overrides of the study's own keys
 * @throws UserError (config) with all problems, each located in the study file or the config
 */
export async function loadStudy(path: string, cliOverrides: readonly Override[]): Promise<LoadedStudy> {
  const source = await readText(path, 'name a study file, such as sweeps/esmm.yaml');
  const yaml = parseYaml(source, path);
  const overrides = cliOverrides.map((override) => adaptOverride(override, yaml.value));
  const raw: object = { name: basename(path, extname(path)), ...(applyOverrides(yaml.value, overrides) as object) };
  const locate: Locate = (keyPath, what) => {
    const override = overrides.findLast(({ path: set }) =>
      set.every((step, i) => i >= keyPath.length || step === String(keyPath[i])),
    );
    return override === undefined ? yaml.locate(keyPath, what) : `--set ${override.text}`;
  };
  const parsed = studyOptions.safeParse(raw, { reportInput: true });
  const issues: readonly Issue[] = parsed.success
    ? [...checkStudy(parsed.data)].map(({ path: keyPath, message }) => ({
        path: keyPath,
        what: 'value' as const,
        message,
      }))
    : toIssues(parsed.error.issues, studyOptions, raw);
  if (issues.length > 0) throw new UserError('config', toProblems(issues, locate));

  const options = parsed.data!;
  const config = resolve(dirname(path), options.config);
  const configText = await readText(config, `change config in ${path}`);
  const { experiment, numChecked, mostEpochs } = checkConfigs(options, locate, (point) =>
    parseConfig(
      configText,
      config,
      listSettings({ options, space: buildSpace(options.space) }, point).map(parseOverride),
    ),
  );
  if (options.asha !== undefined && options.asha.minEpochs >= mostEpochs) {
    const message =
      `the first comparison after ${options.asha.minEpochs} epochs never happens, because no trial has more ` +
      `than ${mostEpochs} epochs; lower minEpochs or raise training.epochs`;
    throw new UserError('config', toProblems([{ path: ['asha', 'minEpochs'], what: 'value', message }], locate));
  }
  const goals = collectDirections(listOutputs(listTasks(experiment)), resolveMeasuring(experiment.evaluation));
  const { seeds } = options;
  const facts = {
    config,
    options,
    seeds: typeof seeds === 'number' ? Array.from({ length: seeds }, (_, i) => experiment.seed + i) : seeds,
    goal: getGoal(options.metric, goals),
    goals: Object.fromEntries(goals),
  };
  return { facts, source, configText, runs: experiment.runs, numChecked };
}

/**
 * Adapts an override's path: below `set` and `space`, a config path such as `training.epochs` is one key, and any steps
 * after a parameter's name are its own keys.
 */
function adaptOverride(override: Override, study: unknown): Override {
  const [section = '', ...steps] = override.path;
  if (section !== 'set' && section !== 'space') return override;
  const path = steps.join('.');
  const specs = Object.entries(section === 'space' ? ((study as { space?: object | null } | null)?.space ?? {}) : {});
  const [parameter] = specs.find(([key, spec]) => path.startsWith(`${key}.`) && !Array.isArray(spec)) ?? [];
  return {
    ...override,
    path: [
      section,
      ...(path === ''
        ? []
        : parameter === undefined
          ? [path]
          : [parameter, ...path.slice(parameter.length + 1).split('.')]),
    ],
  };
}

type Locate = YamlSource['locate'];

/** Validates the configs of points; returns the first experiment and the largest number of epochs. */
function checkConfigs(
  options: StudyOptions,
  locate: Locate,
  parse: (point: Point) => Experiment,
): { readonly experiment: Experiment; readonly numChecked: number; readonly mostEpochs: number } {
  const space = buildSpace(options.space);
  // Problems of keys that the study sets are located where it sets them.
  const locations = new Map<string, string>([
    ['training.monitor', locate(['metric'], 'value')],
    ...Object.keys(options.set).map((key) => [key, locate(['set', key], 'key')] as const),
    ...space.flatMap(({ name, paths }) => paths.map((path) => [path, locate(['space', name], 'key')] as const)),
  ]);
  const problems = new Map<string, Problem>();
  let experiment: Experiment | undefined;
  let [numChecked, mostEpochs] = [0, 0];
  for (const point of searches.partOf(options.search).needsGrid ? gridPoints(space) : cornerPoints(space)) {
    if (
      numChecked >= (options.trials ?? Infinity) &&
      experiment !== undefined &&
      searches.partOf(options.search).needsGrid
    )
      break;
    numChecked++;
    try {
      const parsed = parse(point);
      experiment ??= parsed;
      mostEpochs = Math.max(mostEpochs, parsed.training.epochs);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      for (const problem of error.problems) {
        const [, path] = /^--set ([^=]*)=/.exec(problem.where ?? '') ?? [];
        const where = locations.get(path ?? '') ?? problem.where;
        problems.set(`${where} ${problem.message}`, { ...problem, ...(where !== undefined && { where }) });
      }
      if (problems.size >= MAX_PROBLEMS) break;
    }
  }
  if (problems.size > 0) throw new UserError('config', [...problems.values()]);
  return { experiment: experiment!, numChecked, mostEpochs };
}

async function readText(path: string, fix: string): Promise<string> {
  checkRegularFile(path, { kind: 'config', fix: 'write it to a file', takesOpenPipes: true });
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw userError(
      'config',
      {
        where: path,
        message:
          systemCode(error) === 'ENOENT'
            ? 'no such file'
            : `cannot read the file (${systemCode(error) ?? String(error)})`,
        fix,
      },
      error,
    );
  }
}
