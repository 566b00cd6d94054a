import type { z } from 'zod';
import type { Component } from '../../core/component.js';
import type { Random } from '../../core/random.js';
import type { Point, Space } from '../space.js';

/** A trial as a search sees it. */
export interface SeenTrial {
  readonly point: Point;
  /** Lower is better; null where it failed, undefined while it runs. */
  readonly cost: number | null | undefined;
  /** The rung at which it was stopped; Infinity where it was not. */
  readonly rung: number;
}

/** Chooses the points of trials. */
export interface Search {
  /** Trials that there are to make; Infinity where there is always another. */
  readonly size: number;
  /**
   * The point of trial `number`, counted from 1.
   * @param seen all trials so far, by number
   * @param random the trial's own stream
   */
  suggest(number: number, seen: readonly SeenTrial[], random: Random): Point;
}

/** A way to search a space, and what it asks of it. */
export interface SearchPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [space: Space],
  Search
> {
  /** Whether every parameter has to say which values it has on a grid. */
  readonly needsGrid: boolean;
}

/** Declares a search; the identity, for the sake of its types. */
export function defineSearch<const Name extends string, Shape extends z.ZodRawShape>(
  search: SearchPart<Name, Shape>,
): SearchPart<Name, Shape> {
  return search;
}
