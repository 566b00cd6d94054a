import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { systemCode, UserError, userError, type Problem } from '../core/errors.js';
import { SPLITS } from '../data/options.js';
import { STDIN } from '../data/readers/data-stream.js';
import { isThere } from '../data/sources/find-files.js';
import { resolveInitialVectors } from '../features/embedded.js';
import { followLinks } from '../io/links.js';
import { checkRegularFile } from '../io/regular-file.js';
import { withSlashes } from '../io/slashes.js';
import { crossChecks, experimentSchema, type Experiment } from './experiment.js';
import { inheritTables } from './inherit-tables.js';
import { toIssues, toProblems, type Issue } from './issues.js';
import { applyOverrides, type Override } from './overrides.js';
import { parseYaml } from './yaml-source.js';
import { MTL } from '../system/command-name.js';

/** A config and the content of its file. */
export interface LoadedConfig {
  readonly experiment: Experiment;
  readonly source: string;
}

/** A config with its valid sections and its problems. */
export interface ConfigReading {
  readonly source: string;
  /** Sections without a problem, with absolute paths. */
  readonly sections: Partial<Experiment>;
  /** All sections, if there is no problem. */
  readonly experiment: Experiment | undefined;
  readonly problems: readonly Problem[];
}

/**
 * Reads a config file, applies overrides and validates it.
 * @throws UserError (config) with all problems at once, each with its location
 */
export async function loadConfig(path: string, overrides: readonly Override[] = []): Promise<LoadedConfig> {
  const source = await readSource(path);
  return { experiment: parseConfig(source, path, overrides), source };
}

/** Reads the config of a stored run as `loadConfig` does; it was checked for passwords when it was written. */
export async function loadStoredConfig(path: string, overrides: readonly Override[] = []): Promise<LoadedConfig> {
  const source = await readSource(path);
  return { experiment: parseStoredConfig(source, path, overrides), source };
}

/**
 * Reads a config file as `loadConfig` does, but returns its problems with the valid sections.
 * @throws UserError (config) if the file cannot be read or is not YAML
 */
export async function readConfig(path: string, overrides: readonly Override[]): Promise<ConfigReading> {
  const source = await readSource(path);
  return { source, ...checkConfig(source, path, overrides) };
}

/** Names of files with rows, compressed or not. */
const DATA_FILE = /\.(csv|tsv|jsonl|ndjson|parquet)(\.(gz|zst|br|bz2))?$/i;

async function readSource(path: string): Promise<string> {
  if (DATA_FILE.test(path) && isThere(path))
    throw userError('config', {
      where: path,
      message: 'is a data file, not a config',
      fix: `write a config with ${MTL} init --data ${path}`,
    });
  checkRegularFile(path, { kind: 'config', fix: 'write it to a file', takesOpenPipes: true });
  const bytes = await readFile(path).catch((error: unknown) => {
    const reason =
      systemCode(error) === 'ENOENT' ? 'no such file' : `cannot be read (${systemCode(error) ?? String(error)})`;
    throw userError(
      'config',
      { where: path, message: reason, fix: 'pass the path of a config, such as configs/esmm.yaml' },
      error,
    );
  });
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw userError('config', { where: path, message: 'is not UTF-8 text', fix: 'save it as UTF-8' }, error);
  }
}

/**
 * Parses a config.
 * @param path names it in problems; relative paths start at its directory
 */
export function parseConfig(text: string, path: string, overrides: readonly Override[] = []): Experiment {
  return validConfig(checkConfig(text, path, overrides));
}

/** Parses the config of a stored run or study, which was checked for passwords when it was written. */
export function parseStoredConfig(text: string, path: string, overrides: readonly Override[] = []): Experiment {
  return validConfig(checkConfig(text, path, overrides, true));
}

function validConfig({ experiment, problems }: Omit<ConfigReading, 'source'>): Experiment {
  if (experiment === undefined) throw new UserError('config', problems);
  return experiment;
}

function checkConfig(
  text: string,
  path: string,
  overrides: readonly Override[],
  isStored = false,
): Omit<ConfigReading, 'source'> {
  const yaml = parseYaml(text, path, isStored);
  const changed = applyOverrides(yaml.value, overrides);
  const raw = inheritTables({
    name: defaultName(path, getModelName(yaml.value), getModelName(changed)),
    ...(changed as object),
  });
  // Only editors use it.
  Reflect.deleteProperty(raw, '$schema');
  // Compiling schemas pays off only if they are used more than once.
  const parsed = experimentSchema.safeParse(raw, { reportInput: true, jitless: true });
  const issues: Issue[] = parsed.success ? [] : [...toIssues(parsed.error.issues, experimentSchema, raw)];
  const sections = parsed.success ? parsed.data : parseSections(raw);
  for (const { path: at, message } of crossChecks(sections)) issues.push({ path: at, what: 'value', message });
  const locate = (at: readonly PropertyKey[], what: 'key' | 'value'): string => {
    // The override that set the invalid value, or that created the map around it.
    const isMade = !yaml.has(at);
    const override = overrides.findLast(({ path: set }) =>
      set.every((step, i) => (i < at.length ? step === String(at[i]) : isMade)),
    );
    return override === undefined ? yaml.locate(at, what) : `--set ${override.text}`;
  };
  const problems = toProblems(issues, locate);
  const faulty = new Set(issues.map(({ path: [section] }) => section));
  const validSections: Partial<Experiment> = Object.fromEntries(
    Object.entries(sections).filter(([section]) => !faulty.has(section)),
  );
  return withFiles(validSections, problems, dirname(path));
}

/** Resolves the paths of a config and reads its file of column names, if any. */
function withFiles(
  validSections: Partial<Experiment>,
  found: readonly Problem[],
  directory: string,
): Omit<ConfigReading, 'source'> {
  const { data, features, tasks, initFrom, runs, ...others } = validSections;
  const groups = Object.entries(features ?? {}).map(([name, group]) => [
    name,
    resolveInitialVectors(group, (file) => resolvePath(file, directory)),
  ]);
  const sections = {
    ...validSections,
    ...(features !== undefined && { features: Object.fromEntries(groups) as typeof features }),
    ...(tasks !== undefined && { tasks: resolveTeachers(tasks, directory) }),
    ...(runs !== undefined && { runs: resolve(directory, runs) }),
    ...(initFrom !== undefined && {
      initFrom: { ...initFrom, checkpoint: resolvePath(initFrom.checkpoint, directory) },
    }),
  };
  const problems = [...found];
  if (data !== undefined) {
    try {
      sections.data = readColumnNames(resolvePaths(data, directory));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(...error.problems);
      return { sections: others, experiment: undefined, problems };
    }
  }
  // Without problems, every required section is present.
  return { sections, experiment: problems.length === 0 ? (sections as Experiment) : undefined, problems };
}

/** Returns the default name of a config: the name of its file, adapted if an override changes the model. */
function defaultName(path: string, written: string | undefined, now: string | undefined): string {
  const name = basename(path, extname(path));
  if (now === undefined || now === written || !/^[\w.-]{1,40}$/.test(now)) return name;
  // The file is named after its model.
  return written !== undefined && name.includes(written) ? name.replace(written, now) : `${name}-${now}`;
}

/** Returns the name of the model, if the config has one. */
function getModelName(config: unknown): string | undefined {
  const model: unknown = typeof config === 'object' && config !== null && 'model' in config ? config.model : undefined;
  const name: unknown = typeof model === 'object' && model !== null && 'name' in model ? model.name : undefined;
  return typeof name === 'string' ? name : undefined;
}

/** Returns the sections that parse on their own. */
function parseSections(raw: object): Partial<Experiment> {
  const sections = Object.entries(experimentSchema.shape).flatMap(([key, schema]) => {
    const parsed = schema.safeParse((raw as Record<string, unknown>)[key], { jitless: true });
    return parsed.success ? [[key, parsed.data]] : [];
  });
  return Object.fromEntries(sections) as Partial<Experiment>;
}

/** Resolves all paths of the section `data`. */
function resolvePaths(data: Experiment['data'], directory: string): Experiment['data'] {
  const resolved = { ...data };
  for (const key of [...SPLITS, 'source'] as const) {
    const paths = data[key];
    if (paths !== undefined)
      resolved[key] =
        typeof paths === 'string' ? resolvePath(paths, directory) : paths.map((path) => resolvePath(path, directory));
  }
  if (typeof data.columns === 'string') resolved.columns = resolvePath(data.columns, directory);
  const resolveFile = <Own extends { readonly file?: string | undefined }>(own: Own): Own =>
    own.file === undefined ? own : { ...own, file: resolvePath(own.file, directory) };
  const resolveFiles = <Own extends { readonly file?: string | undefined }>(files: Readonly<Record<string, Own>>) =>
    Object.fromEntries(Object.entries(files).map(([name, own]) => [name, resolveFile(own)]));
  if (data.lookups !== undefined) resolved.lookups = resolveFiles(data.lookups);
  if (data.sequences !== undefined) resolved.sequences = resolveFiles(data.sequences);
  if (data.join !== undefined) resolved.join = { ...data.join, events: resolveFiles(data.join.events) };
  if (data.cache !== undefined) resolved.cache = resolve(directory, data.cache);
  return resolved;
}

/** Resolves the paths of teachers; names of runs remain. */
function resolveTeachers(tasks: Experiment['tasks'], directory: string): Experiment['tasks'] {
  const resolveTask = (task: Experiment['tasks'][string]): Experiment['tasks'][string] => {
    const from = task.distill?.from;
    if (from === undefined || !withSlashes(from).includes('/')) return task;
    const path = resolvePath(from, directory);
    return isReached(path) ? { ...task, distill: { ...task.distill!, from: path } } : task;
  };
  return Object.fromEntries(Object.entries(tasks).map(([name, task]) => [name, resolveTask(task)]));
}

/** Resolves a path from the config's directory or, if nothing exists there, from the working directory. */
function resolvePath(path: string, directory: string): string {
  if (path === STDIN || isUrl(path)) return path;
  const [fromConfig, fromHere] = [withSlashes(resolve(directory, path)), withSlashes(resolve(path))];
  return isReached(fromConfig) || !isReached(fromHere) ? fromConfig : fromHere;
}

/** Returns whether a path is a URL, which only record streams have. */
function isUrl(path: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//.test(path);
}

/** Returns whether something exists at a path: a run may be named through a link. */
function isReached(path: string): boolean {
  return isThere(path) || isThere(followLinks(path));
}

/** Reads column names from their file, so that a checkpoint does not depend on it. */
function readColumnNames(data: Experiment['data']): Experiment['data'] {
  const { columns: path } = data;
  if (typeof path !== 'string') return data;
  const toError = (message: string, fix: string, cause?: unknown): UserError =>
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
    throw toError(
      `cannot be read (${systemCode(error) ?? String(error)}); expected a file with one name per line`,
      'name such a file, or list the names in brackets',
      error,
    );
  }
  const columns = text
    .replace(/^\ufeff/, '')
    .trimEnd()
    .split(/\r?\n/);
  const duplicate = columns.findIndex((name, i) => columns.indexOf(name) < i);
  if (duplicate >= 0)
    throw toError(
      `'${columns[duplicate]}' is listed twice, again in line ${duplicate + 1}`,
      'give each column a unique name',
    );
  if (columns.includes(''))
    throw toError(
      `line ${columns.indexOf('') + 1} is empty; expected one name per line`,
      'write the column names in order',
    );
  return { ...data, columns };
}
