import { inputOption, ofGroups } from '../graph/features.js';
import { formatChoices, registry, type ValidationIssue } from '../core/component.js';
import * as all from './all.js';
import type { BottomContext, BottomOutput } from './bottom.js';

const parts = registry(all);

/** What all shared layers take beside their own options. */
const shared = { input: inputOption('the shared layers read; default: all') };

/** Shared layers by their name in the YAML, with the groups of features that they read; none where it is not given. */
export const bottomSchema = bottomSchemaWith(all.none.name);
export type BottomSpec = ReturnType<typeof bottomSchema.parse>;

/** Creates the schema of shared layers for a model that has other ones by default, whose options then need no name. */
export function bottomSchemaWith(defaultName: (typeof parts.names)[number]) {
  return formatChoices(parts.schemaWith(shared, defaultName), parts.names);
}

/** Builds shared layers on the features that they are given. */
export function buildBottom(spec: BottomSpec, context: BottomContext): BottomOutput {
  return parts.build(spec, { ...context, ...ofGroups(context.g, context, spec.input) });
}

/** What the parts of an embedding are for where shared layers want several of them; none where they do not. */
export function bottomEmbeddingParts(spec: BottomSpec, tasks: readonly string[]): readonly string[] {
  // The options are those of this spec's own part.
  return parts.partOf(spec).embeddingParts?.(spec as never, tasks) ?? [];
}

/** What is wrong with the key `bottom` of a model whose tasks are these. */
export function* checkBottom(spec: BottomSpec, tasks: readonly { readonly name: string }[]): Iterable<ValidationIssue> {
  // As above.
  for (const { path, message } of parts.partOf(spec).checkTasks?.(
    spec as never,
    tasks.map(({ name }) => name),
  ) ?? [])
    yield { path: ['model', 'bottom', ...path], message };
}
