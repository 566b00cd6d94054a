import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const docs = join(import.meta.dirname, '..', '..', 'docs');
const readme = readFileSync(join(docs, '..', 'README.md'), 'utf8');
const index = readFileSync(join(docs, 'README.md'), 'utf8');

/** A question, the page that the index links for it, and what the answer contains. */
type Question = readonly [question: string, page: string, answer: string];

/** Length of the beginning of a page that has the answer to a first question. */
const FIRST_LINES = 22;
/** Questions that most readers ask first. */
const FIRST_QUESTIONS: readonly Question[] = [
  ['How do I train on my own CSV file?', 'how-to/use-my-data.md', 'mtl init --data'],
  ['How do I mask a missing label?', 'how-to/handle-delayed-or-missing-labels.md', 'onMissing: mask'],
  ['How do I resume an interrupted run?', 'how-to/resume-training.md', 'mtl train --resume runs/'],
  ['How do I serve predictions?', 'how-to/serve-predictions.md', 'mtl serve runs/latest'],
  ['How do I run a model in ONNX Runtime?', 'how-to/deploy-onnx.md', 'mtl export runs/latest --format onnx'],
  ['How do I use the history of a user?', 'how-to/use-user-histories.md', '`type: sequence`'],
  ['How do I train on a Kafka topic?', 'how-to/train-on-a-stream.md', 'data.train=kafka://'],
  ['Which model fits a funnel?', 'how-to/choose-a-model.md', '| a funnel, such as click, then purchase | `esmm` |'],
  ['What does ctcvr.auc measure?', 'explanation/entire-space-models.md', '`ctcvr.auc` is the AUC of'],
  ['How do I tune hyperparameters?', 'how-to/tune-hyperparameters.md', 'mtl sweep'],
];

/** More questions of a newcomer. */
const QUESTIONS: readonly Question[] = [
  ['Which metric is for cvr over all rows?', 'reference/metrics.md', 'cvr_all'],
  ['What does exit code 4 mean?', 'reference/errors.md', '| 4 | `checkpoint` |'],
  ['How do I train on a GPU?', 'how-to/use-a-gpu.md', '--device webgpu'],
  ['Is run B better than run A?', 'how-to/compare-two-runs.md', 'mtl diff'],
  ['How do I train every day?', 'how-to/train-daily.md', '--init-from'],
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

describe('README.md', () => {
  it.each(FIRST_QUESTIONS)('leads in two clicks to a page that starts with the answer: %s', (_, page, answer) => {
    expect(readme).toContain('](docs/README.md)');
    expect(index).toContain(`](${page})`);
    const lines = readFileSync(join(docs, page), 'utf8').split('\n');
    expect(lines.slice(0, FIRST_LINES).join('\n')).toContain(answer);
  });
});

describe('docs/README.md', () => {
  it.each(QUESTIONS)('answers in one click: %s', (_, page, answer) => {
    expect(index).toContain(`](${page})`);
    expect(readFileSync(join(docs, page), 'utf8')).toContain(answer);
  });
});
