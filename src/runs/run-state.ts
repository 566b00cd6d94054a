import { z } from 'zod';
import { UserError, userError } from '../core/errors.js';
import type { StateSection } from '../core/state-section.js';

/** State sections by name, each with the version of its schema. */
export const sectionsSchema = z.record(z.string(), z.looseObject({ version: z.int().min(1) }));
export type Sections = z.output<typeof sectionsSchema>;

/** Mutable state of a run's components, saved in checkpoints. */
export interface RunState {
  /**
   * Returns a component's state: restored from the checkpoint, or `first()`. The component updates it in place.
   * @throws UserError (checkpoint) if the saved state has another version or schema
   */
  of<State extends object>(section: StateSection<State>, first: () => State): State;
  /**
   * Returns all sections in order of their names.
   * @throws UserError (checkpoint) if saved sections were not requested by any component, because they would be lost
   */
  sections(): Sections;
}

/**
 * Creates the state of a run.
 * @param saved sections of the resumed checkpoint; empty for a new run
 * @param path of their file, named in errors
 */
export function createRunState(saved: Sections, path: string): RunState {
  const states = new Map<string, { readonly section: StateSection<object>; readonly state: object }>();
  return {
    of<State extends object>(section: StateSection<State>, first: () => State): State {
      const { name } = section;
      const known = states.get(name);
      if (known !== undefined && known.section !== section) throw new Error(`two parts keep a section '${name}'`);
      // The cast is safe: the same section object created this state.
      if (known !== undefined) return known.state as State;
      const state = Object.hasOwn(saved, name) ? readSection(saved, section, path) : first();
      states.set(name, { section, state });
      return state;
    },
    sections() {
      const unknown = Object.keys(saved).filter((name) => !states.has(name));
      if (unknown.length > 0) {
        const fix = 'resume with the version of mtl that saved it';
        throw new UserError(
          'checkpoint',
          unknown.map((name) => ({
            where: path,
            key: `section '${name}'`,
            message: 'this run has no component with such state',
            fix,
          })),
        );
      }
      return Object.fromEntries(
        [...states]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, { section, state }]) => [name, { version: section.version, ...state }]),
      );
    },
  };
}

/**
 * Reads one section of a checkpoint.
 * @throws UserError (checkpoint) if it is missing or has another version or schema
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
      fix: 'use another checkpoint or the version of mtl that saved it',
    });
  };
  if (!Object.hasOwn(sections, name)) return fail('the section is missing');
  const { version: savedVersion, ...state } = sections[name]!;
  if (savedVersion !== version) return fail(`expected version ${version}, found ${savedVersion}`);
  const result = schema.safeParse(state);
  if (result.success) return result.data;
  const { path: issuePath, message } = result.error.issues[0]!;
  return fail(`${['invalid content', issuePath.join('.')].filter(Boolean).join(' at ')}: ${message}`);
}
