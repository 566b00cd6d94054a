import { UserError, type ErrorKind, type Problem } from '../core/errors.js';

/** Problems of several steps, in the order of the steps. */
export interface Findings {
  readonly problems: readonly Problem[];
  add(kind: ErrorKind, problems: readonly Problem[]): void;
  /** Returns what a step returns, or undefined for a step that throws a UserError, whose problems are added. */
  of<Found>(step: () => Promise<Found> | Found): Promise<Found | undefined>;
  /** @throws UserError with all problems, of the kind of the first, if there are any */
  throwIfAny(): void;
}

/** Collects the problems of steps that do not depend on each other. */
export function collectFindings(): Findings {
  const problems: Problem[] = [];
  let first: ErrorKind | undefined;
  const add = (kind: ErrorKind, more: readonly Problem[]): void => {
    if (more.length > 0) first ??= kind;
    problems.push(...more);
  };
  return {
    problems,
    add,
    async of(step) {
      try {
        return await step();
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        add(error.kind, error.problems);
        return undefined;
      }
    },
    throwIfAny() {
      if (first !== undefined) throw new UserError(first, problems);
    },
  };
}
