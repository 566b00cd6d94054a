import { statSync } from 'node:fs';
import { z } from 'zod';
import { didYouMean, joined, quoted, UserError, userError } from '../core/errors.js';
import { registry } from '../core/component.js';
import * as all from './all.js';

/** All formats by their command line name. */
export const formats = registry(all);
export type FormatSpec = Parameters<typeof formats.build>[0];

/**
 * Parses a format and its options.
 * @param options options by name; undefined for an absent one
 * @throws UserError (usage) for an unknown format, an option of another format, or an invalid value
 */
export function formatSpec(name: string, options: Readonly<Record<string, unknown>>): FormatSpec {
  const part = formats.parts.find((one) => one.name === name);
  if (part === undefined)
    throw userError('usage', {
      where: '--format',
      message: joined(
        `expected one of ${formats.names.join(', ')}, found ${quoted(name)}`,
        didYouMean(name, formats.names),
      ),
    });
  const setOptions = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  for (const option of Object.keys(setOptions)) {
    if (Object.hasOwn(part.options(), option)) continue;
    const takers = formats.parts.filter((other) => Object.hasOwn(other.options(), option)).map((other) => other.name);
    throw userError('usage', {
      where: `--${kebab(option)}`,
      message: `is an option of ${takers.join(' and ')}, not of ${name}`,
      fix: 'remove it, or use the other format',
    });
  }
  const parsed = formats.schema.safeParse({ name, ...setOptions });
  if (parsed.success) return parsed.data;
  throw new UserError(
    'usage',
    parsed.error.issues.map((issue) => {
      const option = String(issue.path[0]);
      const message =
        issue.code === 'invalid_value'
          ? `expected ${z.util.joinValues(issue.values, ' or ')}, found ${quoted(setOptions[option])}`
          : issue.message;
      return { where: `--${kebab(option)}`, message };
    }),
  );
}

/**
 * Checks that a path is a valid target of a format.
 * @throws UserError (usage)
 */
export function checkTarget(spec: FormatSpec, out: string): void {
  const { target } = formats.partOf(spec);
  const fail = (message: string, fix: string): never => {
    throw userError('usage', { where: '--out', message: `${message}, found ${quoted(out)}`, fix });
  };
  const isFolder = statSync(out, { throwIfNoEntry: false })?.isDirectory();
  if (target.kind === 'folder') {
    const [ending] = /\.(gz|jsonl?|onnx|parquet|pbtxt|safetensors|tsv)$/i.exec(out) ?? [];
    if (ending !== undefined)
      fail(`expected a directory, since ${spec.name} has several files`, `use ${out.slice(0, -ending.length)}`);
    if (isFolder === false) fail('expected a directory, not an existing file', 'use a new directory');
    return;
  }
  const { ending } = target;
  if (isFolder === true) fail('expected a file, not a directory', `use ${out.replace(/\/+$/, '')}/model${ending}`);
  if (!out.toLowerCase().endsWith(ending))
    fail(
      `expected a file name that ends in ${ending}`,
      `use ${out === '' ? 'model' : out.replace(/\.\w*$/, '')}${ending}`,
    );
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
