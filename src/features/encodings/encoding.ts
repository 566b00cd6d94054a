import type { z } from 'zod';
import type { OptionsOf, Part } from '../../part.js';
import type { Encoding } from '../feature.js';

/** An encoding, built for one field at a time. */
export interface EncodingPart<Name extends string, Shape extends z.ZodRawShape> extends Part<Name, Shape, [field: string], Encoding> {
  /** Keys among the options that must be fields of the group, each with its path below the options. */
  fieldKeys?(options: OptionsOf<Shape>): readonly (readonly string[])[];
}

/** Declares an encoding; the identity, for the sake of its types. */
export function defineEncoding<const Name extends string, Shape extends z.ZodRawShape>(encoding: EncodingPart<Name, Shape>): EncodingPart<Name, Shape> {
  return encoding;
}
