import type { z } from 'zod';
import { didYouMean, joined, quoted, type Problem } from '../core/errors.js';
import { proposeKey, type KeyProposal } from './find-keys.js';
import { schemaKeys } from './schema-keys.js';
import type { YamlSource } from './yaml-source.js';

/** A problem of a config before it has a location in the file. */
export interface Issue {
  readonly path: readonly PropertyKey[];
  /** Whether the key or its value is wrong. */
  readonly what: 'key' | 'value';
  readonly message: string;
  /** Proposes keys that an unknown one may mean. */
  readonly propose?: (() => KeyProposal | undefined) | undefined;
}

type ZodIssue = z.core.$ZodIssue;

/** zod's message if a schema has none. */
const ZOD_DEFAULT_MESSAGE = 'Invalid input';
const MISSING = 'is missing';

/** The schema and the data that it parsed. */
interface Parsing {
  readonly schema: z.core.$ZodType;
  readonly data: unknown;
}

/**
 * Converts zod's issues to messages of this project.
 * @param schema that found them
 * @param data parsed data
 */
export function toIssues(issues: readonly ZodIssue[], schema: z.core.$ZodType, data: unknown): readonly Issue[] {
  return issues.flatMap((issue) => convertIssue(issue, { schema, data }));
}

function convertIssue(issue: ZodIssue, parsing: Parsing): Issue[] {
  const keysAt = (path: readonly PropertyKey[]): readonly string[] => schemaKeys(parsing.schema, path, parsing.data);
  const at = (message: string): Issue[] => [{ path: issue.path, what: 'value', message }];
  const found = `found ${quoted(issue.input)}`;
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => {
        const path = [...issue.path, key];
        const propose = (): KeyProposal | undefined =>
          proposeKey(key, issue.path.map(String), keysAt(issue.path), parsing.schema, parsing.data);
        return { path, what: 'key', message: 'unknown key', propose };
      });
    case 'invalid_type': {
      if (issue.input === undefined) return at(`${MISSING}; expected ${typeName(issue.expected)}`);
      // A component is given by its name, next to its options.
      const keys = issue.expected === 'object' ? keysAt(issue.path) : [];
      const key = keys.find((each) => each === 'name' || keys.length === 1);
      const hint =
        key === undefined || typeof issue.input !== 'string' ? undefined : `write { ${key}: ${issue.input} }`;
      return at(joined(`expected ${typeName(issue.expected)}, ${found}`, hint));
    }
    case 'invalid_value': {
      const options = issue.values.map(String);
      const hint = typeof issue.input === 'string' ? didYouMean(issue.input, options) : undefined;
      return at(joined(`expected ${options.join(', ')}, ${found}`, hint));
    }
    case 'too_small': {
      const limit = bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum);
      return at(`expected ${limit}, ${found}`);
    }
    case 'too_big': {
      const limit = bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum);
      return at(`expected ${limit}, ${found}`);
    }
    case 'invalid_format':
      return at(`expected ${issue.message}, ${found}`);
    case 'invalid_key':
      return [{ path: issue.path, what: 'key', message: `expected ${issue.issues[0]?.message ?? 'another key'}` }];
    case 'invalid_union':
      return unionIssues(issue, found, parsing);
    default:
      return at(issue.message);
  }
}

/**
 * Selects the issues of the nearest member of a union: the named one for a discriminated union; otherwise the one that
 * accepts the type of the value.
 */
function unionIssues(issue: z.core.$ZodIssueInvalidUnion, found: string, parsing: Parsing): Issue[] {
  if (issue.discriminator !== undefined) {
    const names = ((issue as { options?: readonly unknown[] }).options ?? [])
      .filter((name) => name !== undefined)
      .map(String);
    const isMissing =
      issue.input === undefined ||
      (typeof issue.input === 'object' && issue.input !== null && !(issue.discriminator in issue.input));
    const given = isMissing ? undefined : (issue.input as Record<string, unknown>)[issue.discriminator];
    const expected = names.length > 0 ? names.join(', ') : 'a name';
    const hint = typeof given === 'string' ? didYouMean(given, names) : undefined;
    const message = isMissing
      ? `${MISSING}; expected ${expected}`
      : joined(`expected ${expected}, found ${quoted(given)}`, hint);
    return [{ path: issue.path, what: 'value', message }];
  }
  const matching = issue.errors.filter((errors) => !errors.some((error) => isOfOtherKind(error)));
  const [nearest, ...others] =
    matching.length > 1
      ? matching.filter((errors) => !errors.some(({ code, path }) => code === 'invalid_value' && path.length === 0))
      : matching;
  if (nearest !== undefined && others.length === 0)
    return nearest.flatMap((error) => convertIssue({ ...error, path: [...issue.path, ...error.path] }, parsing));
  if (issue.message !== ZOD_DEFAULT_MESSAGE)
    return [
      {
        path: issue.path,
        what: 'value',
        message: `${issue.message}, ${issue.input === undefined ? 'found nothing' : found}`,
      },
    ];
  const expected = [...new Set(listExpected(issue))].join(' or ');
  const message = issue.input === undefined ? `${MISSING}; expected ${expected}` : `expected ${expected}, ${found}`;
  return [{ path: issue.path, what: 'value', message }];
}

/** Lists what the members of a union expect, including nested unions. */
function listExpected(issue: z.core.$ZodIssueInvalidUnion): readonly string[] {
  return issue.errors.flatMap(([first]) => {
    if (first?.code === 'invalid_union' && first.message === ZOD_DEFAULT_MESSAGE) return listExpected(first);
    return [first?.code === 'invalid_type' ? typeName(first.expected) : (first?.message ?? '')];
  });
}

/** Returns whether an issue is a wrong type of the whole value, such as a string instead of a map. */
function isOfOtherKind(issue: ZodIssue): boolean {
  if (issue.path.length > 0) return false;
  return (
    issue.code === 'invalid_type' ||
    (issue.code === 'invalid_union' &&
      issue.discriminator === undefined &&
      issue.errors.every((errors) => errors.some(isOfOtherKind)))
  );
}

function typeName(expected: string): string {
  const names: Readonly<Record<string, string>> = {
    object: 'a map',
    record: 'a map',
    array: 'a list',
    tuple: 'a list',
    string: 'a string',
    number: 'a number',
    int: 'an integer',
    boolean: 'true or false',
  };
  return names[expected] ?? expected;
}

function bound(origin: string, comparison: string, limit: number | bigint): string {
  const units: Readonly<Record<string, string>> = {
    string: ' characters',
    array: ' items',
    set: ' items',
    map: ' items',
  };
  return `${comparison} ${limit}${units[origin] ?? ''}`;
}

/** Maximum number of problems that are listed; each unknown key is compared with all keys of the schema. */
const MAX_PROBLEMS = 50;

/** Converts the first issues to problems, and adds the number of others. */
export function toProblems(issues: readonly Issue[], locate: YamlSource['locate']): readonly Problem[] {
  const problems = issues.slice(0, MAX_PROBLEMS).map((issue) => toProblem(issue, locate));
  const more = issues.length - problems.length;
  return more === 0 ? problems : [...problems, { message: `and ${more} more problems` }];
}

/** Converts an issue to a problem with its location; for an override, the fix names the full key that it may mean. */
function toProblem({ path, what, message, propose }: Issue, locate: YamlSource['locate']): Problem {
  const { places = [], fix } = propose?.() ?? {};
  const where = locate(path, what);
  const [, value] = /^--set [^=]*=([^]*)/.exec(where) ?? [];
  const toWrite =
    value === undefined || places.length === 0
      ? fix
      : `write ${places.map((place) => `--set ${place}=${value}`).join(' or ')}`;
  return { where, key: path.map(String).join('.'), message, ...(toWrite !== undefined && { fix: toWrite }) };
}
