import { inputOption, selectGroups } from '../graph/features.js';
import { formatChoices, registry, type ValidationIssue } from '../core/component.js';
import * as all from './all.js';
import type { BottomContext, BottomOutput } from './bottom.js';

const parts = registry(all);

/** Options of all shared layers. */
const shared = { input: inputOption('the shared layers read; default: all') };

/** Schema of shared layers; default: none. */
export const bottomSchema = bottomSchemaWith(all.none.name);
export type BottomSpec = ReturnType<typeof bottomSchema.parse>;

/** Creates the schema of shared layers with another default, whose options may omit the name. */
export function bottomSchemaWith(defaultName: (typeof parts.names)[number]) {
  return formatChoices(parts.schemaWith(shared, defaultName), parts.names);
}

/** Builds shared layers on the groups of features that the spec selects. */
export function buildBottom(spec: BottomSpec, context: BottomContext): BottomOutput {
  return parts.build(spec, { ...context, ...selectGroups(context.g, context, spec.input) });
}

/** Returns the names of the embedding parts that shared layers require; empty if they require one embedding. */
export function bottomEmbeddingParts(spec: BottomSpec, tasks: readonly string[]): readonly string[] {
  // The options belong to this spec's component.
  return parts.partOf(spec).embeddingParts?.(spec as never, tasks) ?? [];
}

/** Returns whether the outputs of shared layers have streams. */
export function hasStreams(spec: BottomSpec): boolean {
  // The options belong to this spec's component.
  return parts.partOf(spec).hasStreams?.(spec as never) ?? false;
}

/** Validates the option `bottom` of a model with these tasks. */
export function* checkBottom(spec: BottomSpec, tasks: readonly { readonly name: string }[]): Iterable<ValidationIssue> {
  for (const { path, message } of parts.partOf(spec).checkTasks?.(
    spec as never,
    tasks.map(({ name }) => name),
  ) ?? [])
    yield { path: ['model', 'bottom', ...path], message };
}
