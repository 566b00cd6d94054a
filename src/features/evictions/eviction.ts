import type { z } from 'zod';
import type { Component } from '../../core/component.js';
import type { Moment, RecentTexts } from '../vocabulary/recent-texts.js';

/** Decides which token loses its row to another one if all rows are in use. */
export interface Eviction {
  /** Bytes of its arrays; default: 0. */
  readonly byteLength?: number;
  /** A number that is stored besides the counts and keys of rows; default: 0. */
  readonly age?: number;
  /** Starts the next batch. */
  startBatch?(): void;
  /** Observes a use of a row in the batch; the first one inserts its token. */
  onUse?(row: number): void;
  /** Observes that a row loses its token. */
  onRemove?(row: number): void;
  /** Chooses a row that the batch does not use; returns 0 if it uses all of them. */
  choose(now: Moment): number;
}

/** Options of an eviction, resolved. */
export interface EvictionRule {
  /** Whether it stores a count and a key per row. */
  readonly hasKeys: boolean;
  /**
   * Starts or resumes with the tokens of rows.
   * @param rows has their counts and keys; 0 if another rule stored them
   * @param age stored number
   */
  start(rows: RecentTexts, age: number): Eviction;
}

export type EvictionPart<Name extends string, Shape extends z.ZodRawShape> = Component<Name, Shape, [], EvictionRule>;

/** Declares an eviction; the identity function, for type inference. */
export function defineEviction<const Name extends string, Shape extends z.ZodRawShape>(
  eviction: EvictionPart<Name, Shape>,
): EvictionPart<Name, Shape> {
  return eviction;
}
