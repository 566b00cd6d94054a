import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const docs = join(import.meta.dirname, '..', '..', 'docs');
const index = readFileSync(join(docs, 'README.md'), 'utf8');

/** Questions of a newcomer: the page that the index links for each, and what the answer contains. */
const QUESTIONS: readonly (readonly [question: string, page: string, answer: string])[] = [
  ['How do I resume an interrupted run?', 'how-to/resume-training.md', '--resume runs/'],
  ['Which metric is for cvr over all rows?', 'reference/metrics.md', 'cvr_all'],
  ['What does exit code 4 mean?', 'reference/errors.md', '| 4 | `checkpoint` |'],
  ['How do I mask a late label?', 'how-to/handle-delayed-or-missing-labels.md', 'onMissing: mask'],
  ['Which model fits a funnel?', 'how-to/choose-a-model.md', '`esmm`'],
  ['How do I train on a GPU?', 'how-to/use-a-gpu.md', '--device webgpu'],
  ['Is run B better than run A?', 'how-to/compare-two-runs.md', 'mtl diff'],
  ['How do I train every day?', 'how-to/train-daily.md', '--init-from'],
  ['How do I serve predictions?', 'how-to/serve-predictions.md', 'mtl serve'],
  ['How do I run a model in ONNX Runtime?', 'how-to/deploy-onnx.md', '--format onnx'],
  ['Where are runs stored, and how do I move them?', 'reference/environment-variables.md', '`MTL_RUNS`'],
  [
    'Are results the same with more threads?',
    'explanation/determinism.md',
    '| number of threads | bitwise identical |',
  ],
  ['How do I train on two machines?', 'how-to/train-on-several-machines.md', '--host node1,node2'],
  ['How do I bring my MMOE from torch-rechub?', 'tutorials/from-torch-rechub.md', 'name: mmoe'],
  ['What does ema do, and what is its default?', 'reference/training.md', 'Default: no EMA'],
  ['How do I keep the vocabulary in daily training?', 'how-to/train-daily.md', '| vocabulary |'],
  ['Which variable limits the cache?', 'reference/environment-variables.md', '`MTL_CACHE_SIZE`'],
  ['How do I train on the predictions of another model?', 'how-to/distill-a-teacher.md', 'distill: { column:'],
  ['How do I run a sweep on Slurm?', 'how-to/tune-hyperparameters.md', 'launcher: slurm'],
  ['How does mtl compare with torch-rechub?', 'comparison.md', '| models for several tasks |'],
];

describe('docs/README.md', () => {
  it.each(QUESTIONS)('answers in one click: %s', (_, page, answer) => {
    expect(index).toContain(`](${page})`);
    expect(readFileSync(join(docs, page), 'utf8')).toContain(answer);
  });
});
