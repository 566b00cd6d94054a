import type { z } from 'zod';
import type { Component } from '../../core/component.js';
import type { Encoding } from '../feature.js';

/** An encoding, built for one field at a time. */
export interface EncodingPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [field: string],
  Omit<Encoding, 'encodedAs' | 'meaning'>
> {
  /** Options that are maps by field; they need not agree where fields share a table, since its owner's count. */
  readonly byField?: readonly (keyof Shape & string)[];
  /** Options that decide what is learned, and nothing once it is. */
  readonly whileLearning?: readonly (keyof Shape & string)[];
  /** Whether any text is encoded, so that cells of several columns can be one. */
  readonly takesText: boolean;
}

/** Declares an encoding; the identity, for the sake of its types. */
export function defineEncoding<const Name extends string, Shape extends z.ZodRawShape>(
  encoding: EncodingPart<Name, Shape>,
): EncodingPart<Name, Shape> {
  return encoding;
}
