import type { z } from 'zod';
import type { Component } from '../../core/component.js';

/**
 * Range of a parameter: a line, or a list of choices without order. Equal lengths of a line are equally likely; `step`
 * is 0 for continuous values. If `isLog`, coordinates are logarithms of values.
 */
export type Axis =
  | {
      readonly kind: 'line';
      readonly low: number;
      readonly high: number;
      readonly step: number;
      readonly isLog: boolean;
    }
  | { readonly kind: 'list'; readonly count: number };

/** Values that a parameter may take. */
export interface Domain {
  readonly axis: Axis;
  /** Converts a coordinate to a value: on a line from `low` to `high`, for choices an index from 0. */
  toValue(coordinate: number): unknown;
  /** Converts a value to its coordinate; undefined if the domain does not contain it. */
  toCoordinate(value: unknown): number | undefined;
  /** Coordinates of the grid; undefined if their number is not specified. */
  readonly grid: readonly number[] | undefined;
}

/** Declares a domain with its types inferred. */
export function defineDomain<const Name extends string, Shape extends z.ZodRawShape>(
  domain: Component<Name, Shape, [], Domain>,
): Component<Name, Shape, [], Domain> {
  return domain;
}

/** Returns evenly spaced coordinates, ends included; undefined without a count. */
export function spaceEvenly(low: number, high: number, count: number | undefined): readonly number[] | undefined {
  return count === undefined
    ? undefined
    : Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));
}
