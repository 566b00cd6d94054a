import type { z } from 'zod';
import type { Component } from '../../core/component.js';
import type { Ranked } from '../ranked.js';
import type { Curve } from './curve.js';

/**
 * Finds the curve of a space: rows of both classes, sorted by what is predicted. The curve depends on these alone, not
 * on their order.
 */
export type Fit = (ranked: Ranked) => Curve;

/** A method of calibration as a part. */
export type MethodPart<Name extends string, Shape extends z.ZodRawShape> = Component<Name, Shape, [], Fit>;

/** Declares a method; the identity, for the sake of its types. */
export function defineMethod<const Name extends string, Shape extends z.ZodRawShape>(
  method: MethodPart<Name, Shape>,
): MethodPart<Name, Shape> {
  return method;
}
