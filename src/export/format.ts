import type { z } from 'zod';
import type { Component } from '../core/component.js';
import type { HostTensor } from '../core/tensor.js';
import type { ExportedModel } from './model.js';

/** A model on its way into files. */
export interface Exporter {
  /** That will be written, or about so many. */
  readonly bytes: number;
  /**
   * Writes aside and renames.
   * @returns the files
   */
  write(): Promise<readonly string[]>;
  /** The weights as whoever reads the files has them, where they are not to the bit those of the model. */
  weights?(): ReadonlyMap<string, HostTensor>;
}

/** What stands at the path of an export. */
export type Target = { readonly kind: 'file'; readonly ending: string } | { readonly kind: 'folder' };

/** A format as a part: what can be asked of it, and how a model becomes its files at a path. */
export interface FormatPart<Name extends string, Shape extends z.ZodRawShape> extends Component<
  Name,
  Shape,
  [model: ExportedModel, path: string],
  Exporter
> {
  readonly target: Target;
}

/** Declares a format; the identity, for the sake of its types. */
export function defineFormat<const Name extends string, Shape extends z.ZodRawShape>(
  format: FormatPart<Name, Shape>,
): FormatPart<Name, Shape> {
  return format;
}
