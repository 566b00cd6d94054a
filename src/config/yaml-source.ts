import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { printable, quoted, UserError, type Problem } from '../core/errors.js';
import { findPassword } from '../core/url-password.js';

/** Parsed YAML with source locations. */
export interface YamlSource {
  readonly value: unknown;
  /** Returns whether a path exists. */
  has(path: readonly PropertyKey[]): boolean;
  /**
   * Returns `file:line:column` of the value at a path, of the key of the last step, or of the nearest existing
   * ancestor.
   */
  locate(path: readonly PropertyKey[], what?: 'key' | 'value'): string;
}

const MAX_BYTES = 1_000_000;
const MAX_DEPTH = 50;
const TOO_DEEP = `expected at most ${MAX_DEPTH} levels of nesting`;
const MAX_ALIASES = 100;
/** Keys that would access JavaScript's own properties. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/**
 * Parses YAML 1.2 (core schema) that contains one map.
 * @param file name for problems
 * @param isStored whether a run or study contains the file, which was checked for passwords when it was written
 * @throws UserError (config) with every problem: passwords, syntax, duplicate keys, depth, size, aliases
 */
export function parseYaml(text: string, file: string, isStored = false): YamlSource {
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_BYTES)
    throw invalid(file, `expected a config of at most ${MAX_BYTES / 1e6} MB, found ${(bytes / 1e6).toFixed(1)} MB`);
  const counter = new LineCounter();
  const document = parseText(text, file, counter);
  const formatLocation = (offset: number): string => {
    const { line, col } = counter.linePos(offset);
    return `${file}:${line}:${col}`;
  };

  const tabLines = document.errors.some(({ code }) => code === 'TAB_AS_INDENT') ? findTabLines(text) : [];
  // The parser reports several errors for one tab.
  if (tabLines.length > 0) {
    const others = tabLines.length > 1 ? `, as are lines ${formatLines(tabLines.slice(1))}` : '';
    const message = `is indented with a tab, which YAML does not allow${others}`;
    throw invalid(`${file}:${tabLines[0]!}:1`, message, 'replace each tab with two spaces');
  }
  const secrets = isStored ? [] : secretProblems(document, text, formatLocation);
  if (secrets.length > 0) throw new UserError('config', secrets);
  const problems: Problem[] = [...document.errors, ...document.warnings].map((error) => ({
    where: formatLocation(error.pos[0]),
    message: syntaxMessage(error, text),
  }));
  if (problems.length === 0) problems.push(...structureProblems(document, formatLocation));
  if (problems.length > 0) throw new UserError('config', problems);
  if (document.contents === null) throw invalid(file, 'is empty; expected a config');
  if (!isMap(document.contents))
    throw invalid(file, 'expected a map of sections such as data, features, tasks and model');
  return {
    value: toValue(document, file),
    has: (path) => document.hasIn(path),
    locate: (path, what = 'value') => formatLocation(findOffset(document, path, what)),
  };
}

/** Parses text to a document, which may have errors. @throws UserError (config) for a document that is too deep */
function parseText(text: string, file: string, lineCounter: LineCounter): Document.Parsed {
  try {
    const document = parseDocument(text, { lineCounter, prettyErrors: false, stringKeys: false });
    // The parser converts a stack overflow to an ordinary error.
    if (!document.errors.some((error) => error.message.includes('call stack'))) return document;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  throw invalid(file, TOO_DEEP);
}

/** Converts a document to plain values. @throws UserError (config) for too many aliases */
function toValue(document: Document.Parsed, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (error) {
    // The library's error for too many aliases.
    if (!(error instanceof ReferenceError)) throw error;
    throw invalid(file, `more than ${MAX_ALIASES} nested aliases; write the values out`);
  }
}

function invalid(where: string, message: string, fix?: string): UserError {
  return new UserError('config', [{ where, message, ...(fix !== undefined && { fix }) }]);
}

/** Returns the numbers of lines with a tab before their first word. */
function findTabLines(text: string): readonly number[] {
  return text.split(/\r?\n/).flatMap((line, i) => (/^ *\t\s*[^\s#]/.test(line) ? [i + 1] : []));
}

/** Formats the first few line numbers. */
function formatLines(numbers: readonly number[]): string {
  return numbers.length <= 5 ? numbers.join(', ') : `${numbers.slice(0, 5).join(', ')} and ${numbers.length - 5} more`;
}

/** Replaces parser messages that mention its API. */
function syntaxMessage({ code, message, pos }: YAMLError, text: string): string {
  if (code === 'DUPLICATE_KEY') return `duplicate key ${quoted(/^[^\s:]*/.exec(text.slice(pos[0]))?.[0])}`;
  if (code === 'MULTIPLE_DOCS') return 'expected one document, found a second';
  return printable(message.replace(/\s+/g, ' '), 200);
}

/**
 * Finds URLs with a password or a token: in values and keys, else anywhere in the text, such as in comments. The files
 * of a run contain the text.
 */
export function secretProblems(
  document: Document.Parsed,
  text: string,
  formatLocation: (offset: number) => string,
): readonly Problem[] {
  const problems: Problem[] = [];
  const report = (offset: number, problem: Problem): void =>
    void problems.push({ where: formatLocation(offset), ...problem });
  visit(document, {
    Scalar(position, { value, range }, ancestors) {
      // A password with blanks is also one.
      const found = typeof value === 'string' ? findPassword(value.replace(/\s/g, '+')) : undefined;
      if (found !== undefined)
        report(range?.[0] ?? 0, {
          key: formatKey([...ancestors, ...(typeof position === 'number' ? [position] : [])]),
          ...found.problem,
        });
    },
  });
  const elsewhere = problems.length > 0 ? undefined : findPassword(text);
  if (elsewhere !== undefined) report(elsewhere.offset, elsewhere.problem);
  return problems;
}

/** Formats the path of a value, such as `data.train.0`, from the nodes on it. */
function formatKey(nodes: readonly unknown[]): string {
  const getStep = (node: unknown, next: unknown): readonly unknown[] => {
    if (isPair(node)) return isScalar(node.key) ? [node.key.value] : [];
    return isSeq(node) ? [typeof next === 'number' ? next : node.items.indexOf(next)] : [];
  };
  return nodes.flatMap((node, i) => getStep(node, nodes[i + 1])).join('.');
}

/**
 * Finds what no config may contain: keys that are not plain strings or are forbidden, undefined or recursive aliases,
 * deep nesting.
 */
export function structureProblems(document: Document.Parsed, formatLocation: (offset: number) => string): Problem[] {
  const problems: Problem[] = [];
  const ancestors: unknown[] = [];
  const visit = (node: unknown): void => {
    ancestors.push(node);
    visitNode(node);
    ancestors.pop();
  };
  const visitNode = (node: unknown): void => {
    const where = formatLocation((node as Node | null)?.range?.[0] ?? 0);
    if (ancestors.length > MAX_DEPTH) {
      if (problems.length === 0) problems.push({ where, message: TOO_DEEP });
    } else if (isAlias(node)) {
      const target = node.resolve(document);
      if (target === undefined) problems.push({ where, message: `alias '*${node.source}' has no anchor before it` });
      else if (ancestors.includes(target)) problems.push({ where, message: `'*${node.source}' contains itself` });
    } else if (isSeq(node)) {
      for (const item of node.items) visit(item);
    } else if (isMap(node)) {
      for (const { key, value } of node.items) {
        const keyPlace = formatLocation((key as Node).range?.[0] ?? 0);
        if (!isScalar(key) || (typeof key.value !== 'string' && typeof key.value !== 'number')) {
          problems.push({ where: keyPlace, message: 'expected a string as key' });
        } else if (key.value === '<<') {
          problems.push({
            where: keyPlace,
            message: "'<<' merges maps, which YAML 1.2 does not support",
            fix: 'copy the keys here, or reference the whole map: name: *anchor',
          });
        } else if (FORBIDDEN_KEYS.has(String(key.value))) {
          problems.push({ where: keyPlace, message: `the key ${quoted(key.value)} is not allowed` });
        }
        visit(value);
      }
    }
  };
  visit(document.contents);
  return problems;
}

function findOffset(document: Document.Parsed, path: readonly PropertyKey[], what: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = document.contents?.range[0] ?? 0;
  for (const [i, step] of path.entries()) {
    const target: unknown = isAlias(node) ? node.resolve(document) : node;
    const pair = isMap(target) ? findPair(target, step) : undefined;
    const next: unknown = pair ? pair.value : isSeq(target) ? target.items[Number(step)] : undefined;
    if (pair === undefined && next === undefined) return offset;
    const keyOffset = (pair?.key as Node | undefined)?.range?.[0];
    const valueOffset = (isPair(next) ? undefined : (next as Node | null))?.range?.[0];
    const isKeyWanted = what === 'key' && i === path.length - 1;
    offset = (isKeyWanted ? keyOffset : (valueOffset ?? keyOffset)) ?? offset;
    node = next;
  }
  return offset;
}

function findPair(map: YAMLMap, step: PropertyKey): { key: unknown; value: unknown } | undefined {
  return map.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
}
