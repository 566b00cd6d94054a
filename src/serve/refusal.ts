import { UserError, problemLine, type Problem } from '../core/errors.js';
import type { Answered } from './messages.js';

/** A request that is answered with an error of HTTP, and why. */
export class Refusal extends Error {
  override readonly name = 'Refusal';

  /** @param status of HTTP, from 400 on */
  constructor(
    readonly status: number,
    readonly problems: readonly Problem[],
  ) {
    super(problems.map(problemLine).join('\n'));
  }
}

/** Shorthand for a refusal with a single problem. */
export function refusal(status: number, problem: Problem): Refusal {
  return new Refusal(status, [problem]);
}

/**
 * What a client is told: all of it as one text, where the Open Inference Protocol has it, and each problem by its
 * parts.
 */
export function refusalBody({ message, problems }: Pick<Refusal, 'message' | 'problems'>): string {
  return JSON.stringify({ error: message, problems });
}

/** The response to a request that is refused. */
export function refusedAnswer(refused: Refusal): Answered {
  return { status: refused.status, body: refusalBody(refused), rows: 0 };
}

/**
 * What was thrown as a refusal: bad rows are the client's.
 * @returns undefined for a bug of ours
 */
export function asRefusal(error: unknown): Refusal | undefined {
  if (error instanceof Refusal) return error;
  return error instanceof UserError && error.kind === 'data' ? new Refusal(400, error.problems) : undefined;
}
