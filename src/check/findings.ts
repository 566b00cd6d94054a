import { UserError, type ErrorKind, type Problem } from '../core/errors.js';

/** Problems of several steps, in step order. */
export interface Findings {
  readonly problems: readonly Problem[];
  add(kind: ErrorKind, problems: readonly Problem[]): void;
  /** Runs a step and returns its result. If it throws a UserError, adds its problems and returns undefined. */
  of<Found>(step: () => Promise<Found> | Found): Promise<Found | undefined>;
  /** @throws UserError with all problems, of the kind of the first, if there are any */
  throwIfAny(): void;
}

/** Creates a collector for the problems of independent steps. */
export function collectFindings(): Findings {
  const problems: Problem[] = [];
  let firstKind: ErrorKind | undefined;
  const add = (kind: ErrorKind, more: readonly Problem[]): void => {
    if (more.length > 0) firstKind ??= kind;
    for (const problem of more) problems.push(problem);
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
      if (firstKind !== undefined) throw new UserError(firstKind, problems);
    },
  };
}
