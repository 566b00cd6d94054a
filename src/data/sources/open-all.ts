import { problemLine, UserError, type Problem } from '../../core/errors.js';

/**
 * Opens files or tables one after the other.
 * @param explain returns a problem with what is known of the file or table
 * @param maxProblems nothing more is opened after so many problems; default: no limit
 * @throws UserError (data) with the problems of all of them, each once; (disk) for a limit of the system, which is not
 * a problem of a file
 */
export async function openAll<Name, Opened>(
  names: Iterable<Name>,
  open: (name: Name) => Promise<Opened>,
  explain: (problem: Problem, name: Name) => Problem = (problem) => problem,
  maxProblems = Infinity,
): Promise<ReadonlyMap<Name, Opened>> {
  const opened = new Map<Name, Opened>();
  const problems = new Map<string, Problem>();
  for (const name of names) {
    try {
      opened.set(name, await open(name));
    } catch (error) {
      if (!(error instanceof UserError) || error.kind === 'disk') throw error;
      for (const found of error.problems) {
        const problem = explain(found, name);
        problems.set(problemLine(problem), problem);
      }
      if (problems.size >= maxProblems) break;
    }
  }
  if (problems.size > 0) throw new UserError('data', [...problems.values()]);
  return opened;
}
