import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { systemCode, UserError, userError } from '../errors.js';
import { SPLITS } from '../data/options.js';
import { isThere } from '../data/sources/find-files.js';
import { crossChecks, experimentSchema, type Experiment } from './experiment.js';
import { issuesOf, toProblem, type Issue } from './issues.js';
import { applyOverrides, type Override } from './overrides.js';
import { schemaKeys } from './schema-keys.js';
import { parseYaml } from './yaml-source.js';

/** A config as it was read: what it says, and what stood in the file. */
export interface LoadedConfig {
  readonly experiment: Experiment;
  readonly source: string;
}

/**
 * Reads a config file, applies the overrides and checks it.
 * @throws UserError (config) with all problems at once, each with its place
 */
export async function loadConfig(path: string, overrides: readonly Override[] = []): Promise<LoadedConfig> {
  const bytes = await readFile(path).catch((error: unknown) => {
    const reason = systemCode(error) === 'ENOENT' ? 'there is no such file' : `cannot be read (${systemCode(error) ?? String(error)})`;
    throw userError('config', { where: path, message: reason, fix: 'expected the path of a config, as in configs/esmm.yaml' }, error);
  });
  let source: string;
  try {
    source = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw userError('config', { where: path, message: 'is not UTF-8 text', fix: 'save it as UTF-8' }, error);
  }
  return { experiment: parseConfig(source, path, overrides), source };
}

/** The same for a text; `path` names it in problems, and its folder is where relative paths start. */
export function parseConfig(text: string, path: string, overrides: readonly Override[] = []): Experiment {
  const yaml = parseYaml(text, path);
  const raw = { name: basename(path, extname(path)), ...(applyOverrides(yaml.value, overrides) as object) };
  const parsed = experimentSchema.safeParse(raw, { reportInput: true });
  const issues: Issue[] = parsed.success ? [] : [...issuesOf(parsed.error.issues, (at) => schemaKeys(experimentSchema, at, raw))];
  for (const { path: at, message } of crossChecks(parsed.success ? parsed.data : sectionsOf(raw))) {
    issues.push({ path: at, what: 'value', message });
  }
  if (issues.length > 0) {
    const locate = (at: readonly PropertyKey[], what: 'key' | 'value'): string => {
      // The override that set what is wrong, or that made the map in which it is.
      const isMade = !yaml.has(at);
      const override = overrides.findLast(({ path: set }) => set.every((step, i) => (i < at.length ? step === String(at[i]) : isMade)));
      return override === undefined ? yaml.locate(at, what) : `--set ${override.text}`;
    };
    throw new UserError('config', issues.map((issue) => toProblem(issue, locate)));
  }
  const experiment = parsed.data!;
  const { data, initFrom } = experiment;
  const folder = dirname(path);
  return { ...experiment, data: withNames(resolvedPaths(data, folder)), ...(initFrom !== undefined && { initFrom: { ...initFrom, checkpoint: resolvedPath(initFrom.checkpoint, folder) } }) };
}

/** The sections that parse, where the whole does not. */
function sectionsOf(raw: object): Partial<Experiment> {
  const sections = Object.entries(experimentSchema.shape).flatMap(([key, schema]) => {
    const parsed = schema.safeParse((raw as Record<string, unknown>)[key]);
    return parsed.success ? [[key, parsed.data]] : [];
  });
  return Object.fromEntries(sections) as Partial<Experiment>;
}

/** Absolute paths, each taken as one is. */
function resolvedPaths(data: Experiment['data'], folder: string): Experiment['data'] {
  const resolved = { ...data };
  for (const key of [...SPLITS, 'source'] as const) {
    const paths = data[key];
    if (paths !== undefined) resolved[key] = typeof paths === 'string' ? resolvedPath(paths, folder) : paths.map((path) => resolvedPath(path, folder));
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
  const broken = (message: string, fix: string): UserError => userError('config', { where: path, key: 'data.columns', message, fix });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw broken(`cannot be read (${systemCode(error) ?? String(error)}); expected a file with a name a line`, 'name such a file, or list the names in brackets');
  }
  const columns = text.replace(/^\ufeff/, '').trimEnd().split(/\r?\n/);
  const twice = columns.findIndex((name, i) => columns.indexOf(name) < i);
  if (twice >= 0) throw broken(`'${columns[twice]}' stands there twice, the second time in line ${twice + 1}`, 'give each column a name of its own');
  if (columns.includes('')) throw broken(`line ${columns.indexOf('') + 1} is empty; expected a name a line`, 'write the names of the columns in their order');
  return { ...data, columns };
}
