import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { systemCode, UserError, userError, type Problem } from '../core/errors.js';
import { SPLITS } from '../data/options.js';
import { isThere } from '../data/sources/find-files.js';
import { checkRegularFile } from '../io/regular-file.js';
import { crossChecks, experimentSchema, type Experiment } from './experiment.js';
import { inheritTables } from './inherit-tables.js';
import { toIssues, toProblem, type Issue } from './issues.js';
import { applyOverrides, type Override } from './overrides.js';
import { applyRenames, CONFIG_RENAMES } from './renames.js';
import { parseYaml } from './yaml-source.js';

/** A config as it was read: what it says, and what stood in the file. */
export interface LoadedConfig {
  readonly experiment: Experiment;
  readonly source: string;
}

/** A config as far as it is right. */
export interface ConfigReading {
  readonly source: string;
  /** Sections without a problem; paths are absolute. */
  readonly sections: Partial<Experiment>;
  /** All sections, if there is no problem. */
  readonly experiment: Experiment | undefined;
  readonly problems: readonly Problem[];
}

/**
 * Reads a config file, applies the overrides and checks it.
 * @throws UserError (config) with all problems at once, each with its place
 */
export async function loadConfig(path: string, overrides: readonly Override[] = []): Promise<LoadedConfig> {
  const source = await readSource(path);
  return { experiment: parseConfig(source, path, overrides), source };
}

/**
 * Reads a config file like `loadConfig`, but returns its problems with the sections that have none.
 * @throws UserError (config) if the file cannot be read or is no YAML
 */
export async function readConfig(path: string, overrides: readonly Override[]): Promise<ConfigReading> {
  const source = await readSource(path);
  return { source, ...checkConfig(source, path, overrides) };
}

async function readSource(path: string): Promise<string> {
  checkRegularFile(path, { kind: 'config', fix: 'write it to a file', takesOpenPipes: true });
  const bytes = await readFile(path).catch((error: unknown) => {
    const reason =
      systemCode(error) === 'ENOENT'
        ? 'there is no such file'
        : `cannot be read (${systemCode(error) ?? String(error)})`;
    throw userError(
      'config',
      { where: path, message: reason, fix: 'expected the path of a config, as in configs/esmm.yaml' },
      error,
    );
  });
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw userError('config', { where: path, message: 'is not UTF-8 text', fix: 'save it as UTF-8' }, error);
  }
}

/** The same for a text; `path` names it in problems, and its folder is where relative paths start. */
export function parseConfig(text: string, path: string, overrides: readonly Override[] = []): Experiment {
  return validConfig(checkConfig(text, path, overrides));
}

/** Parses the config of a stored run or study, which may have the key names of an earlier version. */
export function parseStoredConfig(text: string, path: string, overrides: readonly Override[] = []): Experiment {
  return validConfig(checkConfig(text, path, overrides, (config) => applyRenames(CONFIG_RENAMES, config)));
}

function validConfig({ experiment, problems }: Omit<ConfigReading, 'source'>): Experiment {
  if (experiment === undefined) throw new UserError('config', problems);
  return experiment;
}

function checkConfig(
  text: string,
  path: string,
  overrides: readonly Override[],
  migrate: (config: unknown) => void = () => undefined,
): Omit<ConfigReading, 'source'> {
  const yaml = parseYaml(text, path);
  const changed = applyOverrides(yaml.value, overrides);
  migrate(changed);
  const raw = inheritTables({ name: defaultName(path, modelOf(yaml.value), modelOf(changed)), ...(changed as object) });
  // It is for editors alone.
  Reflect.deleteProperty(raw, '$schema');
  // Making a function of every schema pays where it is called more often than once.
  const parsed = experimentSchema.safeParse(raw, { reportInput: true, jitless: true });
  const issues: Issue[] = parsed.success
    ? []
    : [...toIssues(parsed.error.issues, experimentSchema, raw, CONFIG_RENAMES)];
  const sections = parsed.success ? parsed.data : sectionsOf(raw);
  for (const { path: at, message } of crossChecks(sections)) issues.push({ path: at, what: 'value', message });
  const locate = (at: readonly PropertyKey[], what: 'key' | 'value'): string => {
    // The override that set what is wrong, or that made the map in which it is.
    const isMade = !yaml.has(at);
    const override = overrides.findLast(({ path: set }) =>
      set.every((step, i) => (i < at.length ? step === String(at[i]) : isMade)),
    );
    return override === undefined ? yaml.locate(at, what) : `--set ${override.text}`;
  };
  const problems = issues.map((issue) => toProblem(issue, locate));
  const faulty = new Set(issues.map(({ path: [section] }) => section));
  const sound: Partial<Experiment> = Object.fromEntries(
    Object.entries(sections).filter(([section]) => !faulty.has(section)),
  );
  return withFiles(sound, problems, dirname(path));
}

/** Resolves the paths of a config and reads the file that names its columns, if any. */
function withFiles(
  sound: Partial<Experiment>,
  found: readonly Problem[],
  folder: string,
): Omit<ConfigReading, 'source'> {
  const { data, initFrom, runs, ...others } = sound;
  const sections = {
    ...sound,
    ...(runs !== undefined && { runs: resolve(folder, runs) }),
    ...(initFrom !== undefined && { initFrom: { ...initFrom, checkpoint: resolvedPath(initFrom.checkpoint, folder) } }),
  };
  const problems = [...found];
  if (data !== undefined) {
    try {
      sections.data = withNames(resolvedPaths(data, folder));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(...error.problems);
      return { sections: others, experiment: undefined, problems };
    }
  }
  // Without a problem, every section that is required is there.
  return { sections, experiment: problems.length === 0 ? (sections as Experiment) : undefined, problems };
}

/** The name of a config that says none: that of its file, and of the model where an override makes it another. */
function defaultName(path: string, written: string | undefined, now: string | undefined): string {
  const name = basename(path, extname(path));
  if (now === undefined || now === written || !/^[\w.-]{1,40}$/.test(now)) return name;
  // A file that is called after its model.
  return written !== undefined && name.includes(written) ? name.replace(written, now) : `${name}-${now}`;
}

/** The model that a config names, as far as it does. */
function modelOf(config: unknown): string | undefined {
  const model: unknown = typeof config === 'object' && config !== null && 'model' in config ? config.model : undefined;
  const name: unknown = typeof model === 'object' && model !== null && 'name' in model ? model.name : undefined;
  return typeof name === 'string' ? name : undefined;
}

/** The sections that parse, where the whole does not. */
function sectionsOf(raw: object): Partial<Experiment> {
  const sections = Object.entries(experimentSchema.shape).flatMap(([key, schema]) => {
    const parsed = schema.safeParse((raw as Record<string, unknown>)[key], { jitless: true });
    return parsed.success ? [[key, parsed.data]] : [];
  });
  return Object.fromEntries(sections) as Partial<Experiment>;
}

/** Absolute paths, each taken as one is. */
function resolvedPaths(data: Experiment['data'], folder: string): Experiment['data'] {
  const resolved = { ...data };
  for (const key of [...SPLITS, 'source'] as const) {
    const paths = data[key];
    if (paths !== undefined)
      resolved[key] =
        typeof paths === 'string' ? resolvedPath(paths, folder) : paths.map((path) => resolvedPath(path, folder));
  }
  if (typeof data.columns === 'string') resolved.columns = resolvedPath(data.columns, folder);
  if (data.cache !== undefined) resolved.cache = resolve(folder, data.cache);
  return resolved;
}

/** An absolute path: from the config's folder or, where nothing is there, from the working directory. */
function resolvedPath(path: string, folder: string): string {
  const besideConfig = resolve(folder, path);
  return isThere(besideConfig) || !isThere(resolve(path)) ? besideConfig : resolve(path);
}

/** The names of columns from the file that has them, so that a checkpoint needs no file beside it. */
function withNames(data: Experiment['data']): Experiment['data'] {
  const { columns: path } = data;
  if (typeof path !== 'string') return data;
  const broken = (message: string, fix: string, cause?: unknown): UserError =>
    userError('config', { where: path, key: 'data.columns', message, fix }, cause);
  checkRegularFile(path, {
    kind: 'config',
    fix: 'write the names to a file, or list them in brackets',
    takesOpenPipes: true,
  });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw broken(
      `cannot be read (${systemCode(error) ?? String(error)}); expected a file with a name a line`,
      'name such a file, or list the names in brackets',
      error,
    );
  }
  const columns = text
    .replace(/^\ufeff/, '')
    .trimEnd()
    .split(/\r?\n/);
  const twice = columns.findIndex((name, i) => columns.indexOf(name) < i);
  if (twice >= 0)
    throw broken(
      `'${columns[twice]}' stands there twice, the second time in line ${twice + 1}`,
      'give each column a name of its own',
    );
  if (columns.includes(''))
    throw broken(
      `line ${columns.indexOf('') + 1} is empty; expected a name a line`,
      'write the names of the columns in their order',
    );
  return { ...data, columns };
}
