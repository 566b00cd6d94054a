import { z } from 'zod';
import { UserError, userError } from '../core/errors.js';
import type { StateSection } from '../core/state-section.js';

/** Sections by name, as they lie in a checkpoint: what the owner keeps, and the version of its schema. */
export const sectionsSchema = z.record(z.string(), z.looseObject({ version: z.int().min(1) }));
export type Sections = z.output<typeof sectionsSchema>;

/** All that the parts of a run have to remember: the union of their sections. */
export interface RunState {
  /**
   * What a part keeps: as it was saved, or else its first. The part moves it on, and it is saved as it is then.
   * @throws UserError (checkpoint) where what was saved is of another version or schema
   */
  of<State extends object>(section: StateSection<State>, first: () => State): State;
  /**
   * Every section as it is now, in the order of their names.
   * @throws UserError (checkpoint) that names those that were saved and that no part has asked for: they would be lost
   */
  sections(): Sections;
}

/**
 * The state of a run.
 * @param saved sections of the checkpoint that it goes on from; none for a new run
 * @param path of their file, named in problems
 */
export function createRunState(saved: Sections, path: string): RunState {
  const kept = new Map<string, { readonly section: StateSection<object>; readonly state: object }>();
  return {
    of<State extends object>(section: StateSection<State>, first: () => State): State {
      const { name } = section;
      const known = kept.get(name);
      if (known !== undefined && known.section !== section) throw new Error(`two parts keep a section '${name}'`);
      // Who asks again gets the very object, which came from this section.
      if (known !== undefined) return known.state as State;
      const state = Object.hasOwn(saved, name) ? readSection(saved, section, path) : first();
      kept.set(name, { section, state });
      return state;
    },
    sections() {
      const unknown = Object.keys(saved).filter((name) => !kept.has(name));
      if (unknown.length > 0) {
        const fix = 'go on with the version of mtl that saved it';
        throw new UserError(
          'checkpoint',
          unknown.map((name) => ({
            where: path,
            key: `section '${name}'`,
            message: 'belongs to no part of this run',
            fix,
          })),
        );
      }
      return Object.fromEntries(
        [...kept]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, { section, state }]) => [name, { version: section.version, ...state }]),
      );
    },
  };
}

/**
 * One section of a checkpoint.
 * @throws UserError (checkpoint) where it is missing, or of another version or schema
 */
export function readSection<State extends object>(
  sections: Sections,
  { name, version, schema }: StateSection<State>,
  path: string,
): State {
  const fail = (message: string): never => {
    throw userError('checkpoint', {
      where: path,
      key: `section '${name}'`,
      message,
      fix: 'take another checkpoint, or the version of mtl that saved it',
    });
  };
  if (!Object.hasOwn(sections, name)) return fail('is missing');
  const { version: found, ...state } = sections[name]!;
  if (found !== version) return fail(`is of version ${found}, expected ${version}`);
  const parsed = schema.safeParse(state);
  if (parsed.success) return parsed.data;
  const { path: at, message } = parsed.error.issues[0]!;
  return fail(`${['is not what it should be', at.join('.')].filter(Boolean).join(', at ')}: ${message}`);
}
