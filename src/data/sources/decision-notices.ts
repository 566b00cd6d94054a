import type { EncodedField } from '../../features/feature.js';

/** What train decided about columns of which the config left something open, in words; nothing where it said it all. */
export function decisionNotices(fields: readonly EncodedField[]): readonly string[] {
  const decided = fields.flatMap(({ name, owner, decision }) =>
    decision === undefined || owner !== name ? [] : [{ name, decision }],
  );
  return decided.length === 0
    ? []
    : [`detected from the training set: ${decided.map(({ name, decision }) => `'${name}' is ${decision}`).join(', ')}`];
}
