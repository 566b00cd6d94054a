import type { GraphBuilder } from '../graph/builder.js';
import type { Value } from '../graph/operations.js';
import type { Distillation } from '../core/tasks.js';
import type { TaskLoss } from './loss.js';

/** A teacher's predictions, `[B, 1]` each. */
export interface Teacher {
  /** Logit of the probability; any number if unknown. */
  readonly logit: Value;
  /** 1 for rows that have a prediction, else 0. */
  readonly known: Value;
}

/**
 * Adds a teacher to the loss of a logit z (Hinton et al. 2015, https://arxiv.org/abs/1503.02531, section 2): for weight
 * w, temperature T and the teacher's logit v it is (1 - w) loss(z, y) + w T² BCE(z / T, σ(v / T)). T² keeps the size of
 * the gradient. Rows without a teacher have the plain loss.
 * @param teacher returns the teacher's predictions; called if the loss is in the graph
 */
export function withTeacher(
  loss: TaskLoss,
  { weight, temperature }: Omit<Distillation, 'column' | 'from' | 'task'>,
  teacher: () => Teacher,
): TaskLoss {
  const rows = (g: GraphBuilder, out: Value, label: Value): Value => {
    const { logit, known } = teacher();
    const soften = (of: Value): Value => (temperature === 1 ? of : g.affine(of, 1 / temperature, 0));
    const target = g.activation(soften(logit), 'sigmoid', 'teacher');
    return g.add(
      g.multiply(loss.rows(g, out, label), g.affine(known, -weight, 1)),
      g.multiply(g.crossEntropy(soften(out), target), g.affine(known, weight * temperature ** 2, 0)),
    );
  };
  return { ...loss, rows, mean: (g, out, label, options) => g.mean(rows(g, out, label), options) };
}
