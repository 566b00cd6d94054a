import type { z } from 'zod';
import type { Component } from '../../core/component.js';
import type { Field } from '../feature.js';

/** A registered compression of tables: builds the looked-up fields of a field that would have a table of its own. */
export type CompressionPart<Name extends string, Shape extends z.ZodRawShape> = Component<
  Name,
  Shape,
  [field: Field],
  readonly Field[]
>;

/** Declares a compression; the identity function, for type inference. */
export function defineCompression<const Name extends string, Shape extends z.ZodRawShape>(
  compression: CompressionPart<Name, Shape>,
): CompressionPart<Name, Shape> {
  return compression;
}
