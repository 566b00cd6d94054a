import { conditionOf, type Task } from '../tasks.js';

/** A prediction with the rows and the label that it is measured on. */
export interface Space {
  readonly name: string;
  readonly type: Task['type'];
  readonly label: string;
  /** A label column: only rows where it is 1 count. */
  readonly where: string | undefined;
  /** Tasks whose predictions are multiplied. */
  readonly factors: readonly string[];
}

/**
 * What is measured for a list of tasks: each over its own rows and, for a task that is given another one's label, also over
 * all rows (`cvr_all`) and as the probability of both (`ctcvr`), since papers mix these up.
 */
export function spacesOf(tasks: readonly Task[]): readonly Space[] {
  return tasks.flatMap((task): Space[] => {
    const { name, type, label, given } = task;
    const own: Space = { name, type, label, where: given, factors: [name] };
    if (given === undefined || type === 'regression') return [own];
    const everywhere: Space = { ...own, name: `${name}_all`, where: undefined };
    const condition = conditionOf(task, tasks);
    if (condition === undefined || condition.type === 'regression') return [own, everywhere];
    return [own, everywhere, { ...own, name: `ct${name}`, where: undefined, factors: [condition.name, name] }];
  });
}
