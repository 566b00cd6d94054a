import { z } from 'zod';
import type { Component } from '../../core/component.js';
import type { CountSketch, StoredSketch } from '../vocabulary/count-sketch.js';
import type { Moment, RecentTexts } from '../vocabulary/recent-texts.js';

/** An occurrence of a token: `bytes[begin]`…`bytes[end - 1]`. */
export interface Occurrence {
  readonly bytes: Uint8Array;
  readonly begin: number;
  readonly end: number;
  /** Row of the batch, from 0. */
  readonly row: number;
}

/** The vocabulary of an admission. */
export interface Admitter {
  readonly now: Moment;
  /** Makes sure that a row is free; returns false if that is impossible in this batch. */
  hasRow(): boolean;
  /** Reports that a token is not counted anymore. */
  onDrop(): void;
}

/** Decides when a token of a stream gets a row. Its state is the state of the fields. */
export interface Admission {
  /** Tokens that it counts, with the numbers of their occurrences; they expire like tokens with a row. */
  readonly pending?: RecentTexts;
  /** Counts that tokens share. */
  readonly sketch?: CountSketch;
  /** Counts an occurrence of a token without a row; returns whether it gets one, which `hasRow` must confirm. */
  admits(occurrence: Occurrence, admitter: Admitter): boolean;
}

/** A token below the minimum count of a fit. */
export interface RareText {
  readonly text: Uint8Array;
  readonly count: number;
}

/** What an admission starts from. */
export interface AdmissionStart {
  /** Seed of random decisions. */
  readonly seed: number;
  /** Tokens that a fit counted, the most frequent first; empty for a vocabulary that grew before. */
  readonly rare: Iterable<RareText>;
  /**
   * Returns the tokens that were counted before.
   * @param minCapacity maximum number of tokens, unless more are stored
   */
  readonly pending: (minCapacity: number) => RecentTexts;
  /** Shared counts before; undefined without any. */
  readonly sketch: StoredSketch | undefined;
}

/** Options of an admission, resolved. */
export interface AdmissionRule {
  /** Minimum count of the tokens that are fitted before the stream. */
  readonly fitCount: number;
  /** Starts or resumes; what another rule has stored is not used. */
  start(from: AdmissionStart): Admission;
}

/** Option of admissions that count. */
export const countOption = z
  .int()
  .min(1)
  .optional()
  .describe('Occurrence at which a token gets a row; default: minCount');

/** A registered admission, built for the minimum count of the encoding. */
export type AdmissionPart<Name extends string, Shape extends z.ZodRawShape> = Component<
  Name,
  Shape,
  [minCount: number],
  AdmissionRule
>;

/** Declares an admission; the identity function, for type inference. */
export function defineAdmission<const Name extends string, Shape extends z.ZodRawShape>(
  admission: AdmissionPart<Name, Shape>,
): AdmissionPart<Name, Shape> {
  return admission;
}
