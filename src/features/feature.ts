import type { z } from 'zod';
import type { Part } from '../part.js';

/** A cell that a field cannot take; the reader adds the file, the line and the column. */
export class BadValue extends Error {
  override readonly name = 'BadValue';

  /** @param expected what the cell should have held */
  constructor(readonly expected: string) {
    super(`expected ${expected}`);
  }
}

/** Turns a cell into the number that a batch holds. */
export interface Encoder {
  /** Rows of the field's embedding table; 0 for a number. */
  readonly rows: number;
  /** @throws BadValue */
  encode(text: string): number;
}

/** Learns from the training data what an encoder needs. */
export interface Fit {
  /** @throws BadValue; what it refuses is not observed */
  check(text: string): void;
  observe(text: string): void;
  /** What was learned, as JSON. */
  finish(): unknown;
}

/** One column of the CSV that is a feature. */
export interface Field {
  readonly name: string;
  readonly kind: 'id' | 'number';
  /** Columns of the model's input: the embedding's width, 1 for a number. */
  readonly width: number;
  /** A new fit, or undefined where there is nothing to learn. */
  startFit(): Fit | undefined;
  /**
   * @param fitted what the fit learned, or undefined where there was nothing to learn
   * @throws ZodError if it is not what a fit of this field gives
   */
  encoder(fitted: unknown): Encoder;
}


/** Declares a feature type: a group of fields that are treated alike; the identity, for the sake of its types. */
export function defineFeatureType<const Name extends string, Shape extends z.ZodRawShape>(
  type: Part<Name, Shape, [], readonly Field[]>,
): Part<Name, Shape, [], readonly Field[]> {
  return type;
}
