import type { z } from 'zod';
import type { Component } from '../../core/component.js';
import type { Ranked } from '../ranked.js';
import type { Curve } from './curve.js';

/**
 * Fits the curve of an output to rows of both classes, sorted by prediction. The result does not depend on row order.
 */
export type Fit = (ranked: Ranked) => Curve;

/** A registered calibration method. */
export type MethodPart<Name extends string, Shape extends z.ZodRawShape> = Component<Name, Shape, [], Fit>;

/** Declares a method; the identity function, for type inference. */
export function defineMethod<const Name extends string, Shape extends z.ZodRawShape>(
  method: MethodPart<Name, Shape>,
): MethodPart<Name, Shape> {
  return method;
}
