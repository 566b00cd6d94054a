import type { Field, Grown } from './feature.js';
import type { Fitted } from './feature-types.js';

/** What was learned for all fields, from before and now. */
export interface GrownFitted {
  readonly fitted: Fitted;
  /** How each field grew that did. */
  readonly changes: ReadonlyMap<string, Omit<Grown, 'fitted'>>;
  /** Fields that stay as they were, since they cannot grow. */
  readonly kept: readonly string[];
}

/**
 * Goes on from what was learned before: what can grow does, so that ids stay what they are, and what cannot is as it
 * was.
 * @param fields with the same meaning as those that `before` was learned for
 * @param keeps whether a field goes on from before; if not, what was learned now is all
 * @param drops whether ids are taken from what would not have been given one now
 */
export function growFitted(
  fields: readonly Field[],
  before: Fitted,
  now: Fitted,
  keeps: (field: Field) => boolean,
  drops = false,
): GrownFitted {
  const changes = new Map<string, Omit<Grown, 'fitted'>>();
  const kept: string[] = [];
  const fitted = Object.entries(now).map(([name, learned]) => {
    const field = fields.find((each) => each.name === name)!;
    if (!Object.hasOwn(before, name) || !keeps(field)) return [name, learned] as const;
    if (field.grow === undefined) {
      kept.push(name);
      return [name, before[name]] as const;
    }
    const { fitted: grown, ...change } = field.grow(before[name], learned, drops);
    changes.set(name, change);
    return [name, grown] as const;
  });
  return { fitted: Object.fromEntries(fitted), changes, kept };
}
