import type { z } from 'zod';
import type { Component, ValidationIssue } from '../../core/component.js';
import type { StoredTensor } from '../../io/safetensors.js';
import type { EventKeys } from './event-keys.js';

/**
 * What a counter remembers of the events of each key, and the number that a row gets from it. Times are in milliseconds
 * since 1970. A row with time `t` reads at `now`, which is `t` minus the tolerance.
 */
export interface Aggregate {
  /** Estimated memory in bytes. */
  readonly bytes: number;
  /** Notes that later calls of `read` have this time or a later one. */
  advance(now: number): void;
  /**
   * Returns the number of a key from the events that are earlier than `now` by more than the delay. Their order does
   * not matter.
   * @param key 0 for a key without events
   */
  read(key: number, now: number): number;
  /** Adds an event, which is not before the `now` of `advance` minus the delay, and notes the use of its key. */
  add(time: number, key: number, value: number): void;
  /** Calls `visit` with the keys in the order in which `restore` asks for them; a key may come several times. */
  eachKey(visit: (key: number) => void): void;
  /**
   * Returns all that is remembered as vectors of F64, U32 or U8.
   * @param numbers number of each key in the tensors, by its id
   */
  save(numbers: Int32Array): ReadonlyMap<string, StoredTensor>;
  /**
   * Restores a new aggregate.
   * @param read returns a tensor by its name
   * @param idOf returns the id of a key by its number in the tensors
   */
  restore(read: (name: string) => StoredTensor['data'], idOf: (key: number) => number): void;
}

/** The events of a counter. */
export interface CountedEvents {
  /** Label or number whose values events have; undefined if each row is an event with the value 0. */
  readonly of: string | undefined;
  /** Time in milliseconds until an event is known. */
  readonly delayMs: number;
  /** Whether rows may be late, so that calls of `read` are not in order of time. */
  readonly isLenient: boolean;
}

/** An aggregate with resolved options. */
export interface AggregateRule {
  /** JSON of all that determines what is remembered: counters with the same one continue each other. */
  readonly memory: readonly unknown[];
  /** JSON of all that determines the numbers of rows. */
  readonly recipe: readonly unknown[];
  /** Problems of the options with these events; the paths start at the counter. */
  readonly issues: readonly ValidationIssue[];
  /**
   * Starts without events.
   * @param keys of the counter, which others may share
   */
  start(keys: EventKeys): Aggregate;
}

/** A registered aggregate, built for the events of a counter. */
export type AggregatePart<Name extends string, Shape extends z.ZodRawShape> = Component<
  Name,
  Shape,
  [events: CountedEvents],
  AggregateRule
>;

/** Declares an aggregate; the identity function, for type inference. */
export function defineAggregate<const Name extends string, Shape extends z.ZodRawShape>(
  aggregate: AggregatePart<Name, Shape>,
): AggregatePart<Name, Shape> {
  return aggregate;
}
