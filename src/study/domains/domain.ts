import type { z } from 'zod';
import type { Component } from '../../core/component.js';

/**
 * Where the values of a parameter lie: on a line, in coordinates of which equal lengths count alike, at steps or (0)
 * anywhere; or as so many
 * choices, which have numbers but no order. Where `isLog`, coordinates are logarithms of values.
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

/** The values that a parameter may take. */
export interface Domain {
  readonly axis: Axis;
  /** The value at a coordinate of the axis: on a line from `low` to `high`, of choices from 0 on. */
  valueAt(coordinate: number): unknown;
  /** The other way round; undefined for what is no value of it. */
  coordinateOf(value: unknown): number | undefined;
  /** The coordinates that a grid has; undefined where there is no telling how many. */
  readonly grid: readonly number[] | undefined;
}

/** Declares a kind of domain; the identity, for the sake of its types. */
export function defineDomain<const Name extends string, Shape extends z.ZodRawShape>(
  domain: Component<Name, Shape, [], Domain>,
): Component<Name, Shape, [], Domain> {
  return domain;
}

/** So many coordinates with equal lengths between them, the ends included; undefined for no number. */
export function evenly(low: number, high: number, count: number | undefined): readonly number[] | undefined {
  return count === undefined
    ? undefined
    : Array.from({ length: count }, (_, i) => low + ((high - low) * i) / (count - 1));
}
