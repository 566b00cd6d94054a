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
  /** Time from each item to the time of the row (width 1), if the sequence has times and an encoder reads ages. */
  readonly ages: Value | undefined;
  /** Share of each item in the weight of its row (width 1), if the items are weighted; otherwise undefined. */
  readonly weights: Value | undefined;
  /** Maximum number of items per row. */
  readonly maxItems: number;
}

/** Result of an encoder. */
export interface Encoded {
  /** Columns of the batch; zeros for an empty sequence. */
  readonly output: Value;
  /** Weight of each item in the output, which is computed from it (width 1); absent if items have none. */
  readonly weights?: Value;
  /** Positions of selected items, as `selectTop` returns them, if only these have weights. */
  readonly positions?: Value;
}

/** A registered encoder: turns the items of each row into columns of the batch. */
export interface EncoderPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [SequenceContext],
  Encoded
> {
  /** Whether at least one field must have a target. */
  readonly requiresTarget?: true;
  /** Whether it reads the ages of items, which are a field of their own then, neither scaled nor embedded. */
  readonly readsAges?: true;
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
