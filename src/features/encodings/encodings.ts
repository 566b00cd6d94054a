import { formatChoices, registry } from '../../core/component.js';
import type { Encoding } from '../feature.js';
import * as all from './all.js';

/** Every encoding by its name in the config. */
export const encodings = registry(all, 'name', all.ids.name);
export type EncodingSpec = Parameters<typeof encodings.build>[0];

/** Schema of an encoding: a name, or a map with options. */
export const encodingOption = formatChoices(encodings.schema, encodings.names);

/** Names of the encodings that accept any string. */
export const textEncodings: readonly string[] = encodings.parts
  .filter(({ takesText }) => takesText)
  .map(({ name }) => name);

/** Lists the options that map fields to values, with each field. */
export function listFieldKeys(spec: EncodingSpec): readonly (readonly [option: string, field: string])[] {
  return listOptionsByField(spec).flatMap((option) =>
    Object.keys(spec[option as keyof EncodingSpec]).map((field) => [option, field] as const),
  );
}

/** Builds the encoding of a field. */
export function buildEncoding(spec: EncodingSpec, field: string): Encoding {
  const inWords = (leftOut: readonly string[]): string => {
    const options = Object.entries(spec).filter(
      ([key, value]) => key !== 'name' && value !== undefined && !leftOut.includes(key),
    );
    return spec.name + options.map(([key, value]) => ` ${key} ${inText(value)}`).join(',');
  };
  const byField = listOptionsByField(spec);
  return {
    ...encodings.build(spec, field),
    encodedAs: inWords(byField),
    meaning: inWords([...byField, ...(encodings.partOf(spec).whileLearning ?? [])]),
  };
}

/** Returns whether the vocabulary of an encoding grows on a stream. */
export function growsOnStream(spec: EncodingSpec): boolean {
  return buildEncoding(spec, '').growth !== undefined;
}

/**
 * Removes the options by field, which are its owner's, from the encoding of a field that shares a table.
 * @param raw as in the config, before it is parsed
 */
export function sharedEncoding(raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return raw;
  const name = 'name' in raw ? raw.name : all.ids.name;
  const byField: readonly string[] = encodings.parts.find((part) => part.name === name)?.byField ?? [];
  return Object.fromEntries(Object.entries(raw).filter(([option]) => !byField.includes(option)));
}

function inText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function listOptionsByField(spec: EncodingSpec): readonly string[] {
  return encodings.partOf(spec).byField ?? [];
}
