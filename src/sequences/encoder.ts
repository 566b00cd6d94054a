import type { z } from 'zod';
import type { Component } from '../core/component.js';
import type { Domain } from '../graph/domain.js';
import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';

/** One field of a sequence. */
export interface SequenceField {
  readonly field: string;
  /** Embeddings or numbers of the items; rows: items of the sequence. */
  readonly items: Value;
  /** Embedding of the candidate from the same table, of the same width; rows: batch. Undefined without a target. */
  readonly target: Value | undefined;
}

/** Input of an encoder: the fields of a sequence, aligned item by item, newest item last. */
export interface SequenceContext {
  /** Names parameters after the sequence and the encoder. */
  readonly g: GraphBuilder;
  /** Field that identifies the domain of the items, or that domain, for `expand`. */
  readonly domain: string | Domain;
  /** Position of each item from the newest; default: all items of the field `domain`, in order. */
  readonly positions?: Value | undefined;
  /** In config order; at least one. */
  readonly fields: readonly SequenceField[];
  /** Share of each item in the weight of its row (width 1), if the items are weighted; otherwise undefined. */
  readonly weights: Value | undefined;
  /** Maximum number of items per row. */
  readonly maxItems: number;
}

/** A registered encoder: turns the items of each row into columns of the batch; an empty sequence gives zeros. */
export interface EncoderPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [SequenceContext],
  Value
> {
  /** Whether at least one field must have a target. */
  readonly requiresTarget?: true;
}

/** Declares an encoder; the identity function, for type inference. */
export function defineEncoder<const Name extends string, Shape extends z.ZodRawShape>(
  encoder: EncoderPart<Name, Shape>,
): EncoderPart<Name, Shape> {
  return encoder;
}

/** Concatenates the items of fields. */
export function concatItems(g: GraphBuilder, fields: readonly Pick<SequenceField, 'items'>[]): Value {
  return g.concat(fields.map(({ items }) => items));
}
