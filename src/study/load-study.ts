import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { listTasks, type Experiment } from '../config/experiment.js';
import { toIssues, toProblem, type Issue } from '../config/issues.js';
import { parseConfig } from '../config/load.js';
import { STUDY_RENAMES } from '../config/renames.js';
import { applyOverrides, parseOverride, type Override } from '../config/overrides.js';
import { parseYaml, type YamlSource } from '../config/yaml-source.js';
import { systemCode, UserError, userError, type Problem } from '../core/errors.js';
import { collectDirections } from '../evaluation/metric-direction.js';
import { resolveMeasuring } from '../evaluation/options.js';
import { listOutputs } from '../evaluation/outputs.js';
import { checkRegularFile } from '../io/regular-file.js';
import { goalOfMonitor } from '../training/monitor.js';
import { checkStudy, studyOptions, type StudyOptions } from './options.js';
import { searches } from './searches/searches.js';
import { buildSpace, cornerPoints, gridPoints, type Point } from './space.js';
import { listSettings, type StudyFacts } from './study.js';

/** A study as its file has it. */
export interface LoadedStudy {
  readonly facts: StudyFacts;
  readonly source: string;
  readonly configText: string;
  /** Where the config wants all runs. */
  readonly runs: string | undefined;
  /** Configs that were checked. */
  readonly numChecked: number;
}

/** So many problems are told of many configs that are wrong alike. */
const MAX_TOLD = 20;

/**
 * Reads the YAML of a study and checks every config that a grid has, or those at the ends and with each choice of
 * another space.
 * @param given overrides of the study's own keys
 * @throws UserError (config) with all problems, each with its place in the study's file or in the config
 */
export async function loadStudy(path: string, given: readonly Override[]): Promise<LoadedStudy> {
  const source = await read(path, 'expected the path of a study, as in sweeps/esmm.yaml');
  const yaml = parseYaml(source, path);
  const overrides = given.map((override) => ofStudy(override, yaml.value));
  const raw: object = { name: basename(path, extname(path)), ...(applyOverrides(yaml.value, overrides) as object) };
  const locate: Locate = (at, what) => {
    const override = overrides.findLast(({ path: set }) =>
      set.every((step, i) => i >= at.length || step === String(at[i])),
    );
    return override === undefined ? yaml.locate(at, what) : `--set ${override.text}`;
  };
  const parsed = studyOptions.safeParse(raw, { reportInput: true });
  const issues: readonly Issue[] = parsed.success
    ? [...checkStudy(parsed.data)].map(({ path: at, message }) => ({ path: at, what: 'value' as const, message }))
    : toIssues(parsed.error.issues, studyOptions, raw, STUDY_RENAMES);
  if (issues.length > 0)
    throw new UserError(
      'config',
      issues.map((issue) => toProblem(issue, locate)),
    );

  const options = parsed.data!;
  const config = resolve(dirname(path), options.config);
  const configText = await read(config, `the study ${path} names it`);
  const { experiment, numChecked, mostEpochs } = checkConfigs(options, locate, (point) =>
    parseConfig(
      configText,
      config,
      listSettings({ options, space: buildSpace(options.space) }, point).map(parseOverride),
    ),
  );
  if (options.asha !== undefined && options.asha.minEpochs >= mostEpochs) {
    throw new UserError('config', [
      toProblem(
        {
          path: ['asha', 'minEpochs'],
          what: 'value',
          message: `no trial would ever be compared: after ${options.asha.minEpochs} epochs all are over, none has more than ${mostEpochs}; compare earlier, or give trials more training.epochs`,
        },
        locate,
      ),
    ]);
  }
  const goals = collectDirections(listOutputs(listTasks(experiment)), resolveMeasuring(experiment.evaluation));
  const { seeds } = options;
  const facts = {
    config,
    options,
    seeds: typeof seeds === 'number' ? Array.from({ length: seeds }, (_, i) => experiment.seed + i) : seeds,
    goal: goalOfMonitor(options.metric, goals),
    goals: Object.fromEntries(goals),
  };
  return { facts, source, configText, runs: experiment.runs, numChecked };
}

/**
 * Below `set` and `space`, a path of the config is one key: `set.training.epochs` means `training.epochs` there, and
 * what is below a parameter is its own.
 */
function ofStudy(override: Override, study: unknown): Override {
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

/** Parses the configs of points, and gives the first, and the most epochs that any has. */
function checkConfigs(
  options: StudyOptions,
  locate: Locate,
  parse: (point: Point) => Experiment,
): { readonly experiment: Experiment; readonly numChecked: number; readonly mostEpochs: number } {
  const space = buildSpace(options.space);
  // A key that a parameter or the study sets is looked for where that is written.
  const places = new Map<string, string>([
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
        const where = places.get(path ?? '') ?? problem.where;
        problems.set(`${where} ${problem.message}`, { ...problem, ...(where !== undefined && { where }) });
      }
      if (problems.size >= MAX_TOLD) break;
    }
  }
  if (problems.size > 0) throw new UserError('config', [...problems.values()]);
  return { experiment: experiment!, numChecked, mostEpochs };
}

async function read(path: string, fix: string): Promise<string> {
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
            ? 'there is no such file'
            : `cannot be read (${systemCode(error) ?? String(error)})`,
        fix,
      },
      error,
    );
  }
}
