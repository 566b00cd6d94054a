import { parseDocument } from 'yaml';
import { quoted, UserError, userError } from '../core/errors.js';
import { FORBIDDEN_KEYS, secretProblems, structureProblems } from './yaml-source.js';

/** An override `--set a.b=value`; the value null removes the key. */
export interface Override {
  readonly path: readonly string[];
  readonly value: unknown;
  /** Text of the argument. */
  readonly text: string;
}

/**
 * Parses `a.b=value`; the value is YAML, or - for standard input.
 * @throws UserError (usage) for invalid syntax, a forbidden key or a URL with a password
 */
export function parseOverride(text: string): Override {
  const where = `--set ${text}`;
  const fix = 'write --set training.epochs=5';
  const equals = text.indexOf('=');
  const path = text.slice(0, equals).split('.');
  if (equals < 0 || path.some((step) => step === ''))
    throw userError('usage', { where, message: 'expected a path of keys, =, and a value', fix });
  if (equals === text.length - 1)
    throw userError('usage', { where, message: 'expected a value after =', fix: 'use null to remove the key' });
  const forbidden = path.find((step) => FORBIDDEN_KEYS.has(step));
  if (forbidden !== undefined)
    throw userError('usage', { where, message: `the key ${quoted(forbidden)} is not allowed` });
  const value = text.slice(equals + 1);
  // YAML reads it as a list of null.
  if (value === '-') return { path, value, text };
  const document = parseDocument(value);
  const secrets = secretProblems(document, value, () => `--set ${path.join('.')}`);
  if (secrets.length > 0) throw new UserError('usage', secrets);
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined)
    throw userError('usage', {
      where,
      message: `the value is not valid YAML (${error.code})`,
      fix: `quote strings for YAML and for the shell: --set '${path.join('.')}="…"'`,
    });
  const problems = structureProblems(document, () => where);
  if (problems.length > 0) throw new UserError('usage', problems);
  try {
    return { path, value: document.toJS({ maxAliasCount: 0 }) as unknown, text };
  } catch (cause) {
    throw userError('usage', { where, message: 'the value contains an alias; write the value out' }, cause);
  }
}

/**
 * Returns a copy of `config` with the overrides applied in order. Unknown keys are detected when it is parsed.
 * @throws UserError (usage) if a path leads through a value that is neither a map nor a list
 */
export function applyOverrides(config: unknown, overrides: readonly Override[]): unknown {
  const copy: unknown = structuredClone(config);
  for (const { path, value, text } of overrides) {
    let node = copy;
    path.forEach((step, depth) => {
      const fail = (message: string): never => {
        throw userError('usage', { where: `--set ${text}`, key: path.slice(0, depth + 1).join('.'), message });
      };
      const isLast = depth === path.length - 1;
      if (Array.isArray(node)) {
        const index = /^\d+$/.test(step) ? Number(step) : fail(`expected a list index, found ${quoted(step)}`);
        if (index >= node.length) fail(`the list has only ${node.length} items; indices start at 0`);
        if (isLast) node[index] = value;
        else node = node[index] as unknown;
      } else if (typeof node === 'object' && node !== null) {
        const map = node as Record<string, unknown>;
        if (isLast && value === null) Reflect.deleteProperty(map, step);
        else if (isLast) map[step] = value;
        else node = map[step] = Object.hasOwn(map, step) ? map[step] : {};
      } else {
        fail(`its parent is ${quoted(node)}, not a map or a list`);
      }
    });
  }
  return copy;
}
