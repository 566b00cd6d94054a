import { UserError, problemLine, quoted, type Problem } from '../core/errors.js';
import type { Answered, ModelFacts } from './messages.js';

/** An HTTP error response and its reason. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  /**
   * @param status HTTP status, at least 400
   */
  constructor(
    readonly status: number,
    readonly problems: readonly Problem[],
  ) {
    super(problems.map(problemLine).join('\n'));
  }
}

/** Creates a refusal with a single problem. */
export function refusal(status: number, problem: Problem): Refusal {
  return new Refusal(status, [problem]);
}

/**
 * Builds the body of an error: the first problem as a message, which the Open Inference Protocol defines, and each
 * problem by its parts.
 */
export function refusalBody({ message, problems }: Pick<Refusal, 'message' | 'problems'>): string {
  const more = problems.length - 1;
  const [first] = problems;
  const error = first === undefined || more === 0 ? message : `${problemLine(first)} (and ${more} more in problems)`;
  return JSON.stringify({ error, problems });
}

/** Builds the response to a refused request. */
export function refusedAnswer(refused: Refusal): Answered {
  return { status: refused.status, body: refusalBody(refused), rows: 0 };
}

/** Creates the refusal of a request for another version of a model than the served one. */
export function refuseVersion({ name, version }: Pick<ModelFacts, 'name' | 'version'>, asked: string): Refusal {
  return refusal(404, {
    where: 'version',
    message: `unknown version ${quoted(asked)} of ${name}; the current version is ${version}`,
    fix: 'remove the version from the path',
  });
}

/**
 * Converts an error of the client to a Refusal, including invalid rows.
 * @returns undefined for an unexpected error
 */
export function asRefusal(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  return error instanceof UserError && error.kind === 'data' ? new Refusal(400, error.problems) : undefined;
}
