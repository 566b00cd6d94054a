import type { z } from 'zod';
import type { Component } from '../../core/component.js';
import type { Random } from '../../core/random.js';
import type { Point, Space } from '../space.js';

/** A trial as an observation of a search. */
export interface Observation {
  readonly point: Point;
  /** Lower is better; null if it failed, undefined while it runs. */
  readonly cost: number | null | undefined;
  /** The rung at which it was stopped; Infinity if it was not. */
  readonly rung: number;
}

/** Suggests points for trials. */
export interface Search {
  /** Maximum number of trials; Infinity if unlimited. */
  readonly size: number;
  /**
   * Suggests the point of trial `number`, counted from 1.
   * @param observations all trials so far, by number
   * @param random the trial's own stream
   */
  suggest(number: number, observations: readonly Observation[], random: Random): Point;
}

/** A search algorithm with its properties. */
export interface SearchPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [space: Space],
  Search
> {
  /** Whether all parameters require a grid. */
  readonly needsGrid: boolean;
}

/** Declares a search with its types inferred. */
export function defineSearch<const Name extends string, Shape extends z.ZodRawShape>(
  search: SearchPart<Name, Shape>,
): SearchPart<Name, Shape> {
  return search;
}
