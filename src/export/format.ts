import type { z } from 'zod';
import type { Component } from '../core/component.js';
import type { HostTensor } from '../core/tensor.js';
import type { ExportedModel } from './model.js';
import type { Graph } from './onnx/messages.js';

/** A prepared export of a model. */
export interface Exporter {
  /** Estimated size of the files. */
  readonly bytes: number;
  /**
   * Writes the files atomically.
   * @returns their paths
   */
  write(): Promise<readonly string[]>;
  /** Inputs and outputs of an ONNX model, which trackers log. */
  readonly tensors?: Pick<Graph, 'inputs' | 'outputs'>;
  /** Returns the exported weights, if they are not bitwise identical to the model's. */
  weights?(): ReadonlyMap<string, HostTensor>;
}

/** The file type at the target path. */
export type Target = { readonly kind: 'file'; readonly ending: string } | { readonly kind: 'folder' };

/** A format as a component: its options, and the conversion of a model to files. */
export interface FormatPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [model: ExportedModel, path: string],
  Exporter
> {
  readonly target: Target;
}

/** Declares a format; the identity function, for type inference. */
export function defineFormat<const Name extends string, Shape extends z.ZodRawShape>(
  format: FormatPart<Name, Shape>,
): FormatPart<Name, Shape> {
  return format;
}
