import type { z } from 'zod';
import type { Component } from '../../core/component.js';
import type { Encoding } from '../feature.js';

/** A registered encoding, built per field. */
export interface EncodingPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [field: string],
  Omit<Encoding, 'encodedAs' | 'meaning'>
> {
  /** Options that map fields to values; fields that share a table need not agree on them, since the owner's apply. */
  readonly byField?: readonly (keyof Shape & string)[];
  /** Options that affect only fitting. */
  readonly whileLearning?: readonly (keyof Shape & string)[];
  /** Whether it encodes any string, so that several columns can be combined. */
  readonly takesText: boolean;
}

/** Declares an encoding; the identity function, for type inference. */
export function defineEncoding<const Name extends string, Shape extends z.ZodRawShape>(
  encoding: EncodingPart<Name, Shape>,
): EncodingPart<Name, Shape> {
  return encoding;
}
