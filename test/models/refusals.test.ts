import { describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { UserError } from '../../src/core/errors.js';

/** Validates a model in a config with groups user and item and the tasks of a shop. */
function problems(
  model: string,
  tasks = '{ ctr: { label: click }, cvr: { label: buy, given: click } }',
): readonly string[] {
  const text =
    'data: { train: a.csv }\nfeatures:\n  user: { type: categorical, fields: [u] }\n' +
    `  item: { type: categorical, fields: [i] }\ntasks: ${tasks}\nmodel: ${model}\n`;
  try {
    parseConfig(text, 'x.yaml');
    return [];
  } catch (error) {
    if (error instanceof UserError) return error.problems.map(({ key, message }) => `${key}: ${message}`);
    throw error;
  }
}

describe('feature groups of a model component', () => {
  it('are rejected if unknown or listed twice, at any depth', () => {
    expect(problems('{ name: mmoe, input: [user, itm], gate: { input: [shop] } }')).toEqual([
      'model.gate.input.0: expected a feature group (user, item), found "shop"',
      `model.input.1: expected a feature group (user, item), found "itm"; did you mean 'item'?`,
    ]);
    expect(problems('{ name: esmm, bottom: { name: pepnet, epnet: { input: [user, user] } } }')).toEqual([
      "model.bottom.epnet.input.1: 'user' is listed twice; remove one",
    ]);
    expect(problems('{ name: mmoe, input: [] }')).toEqual(['model.input: expected at least 1 items, found []']);
    expect(problems('{ name: ple, input: [item], gate: { input: [user] } }')).toEqual([]);
  });
});

describe('model with incompatible features', () => {
  const found = (features: string, model: string): readonly string[] => {
    try {
      parseConfig(
        'data: { train: a.csv }\nfeatures:\n' +
          `${features}tasks: { ctr: { label: click }, cvr: { label: buy, given: click } }\nmodel: ${model}\n`,
        'x.yaml',
      );
      return [];
    } catch (error) {
      if (error instanceof UserError) return error.problems.map(({ where, message }) => `${where}: ${message}`);
      throw error;
    }
  };
  const user = '  user: { type: categorical, fields: [u], width: 8 }\n';
  const item = (width: number): string =>
    `  item: { type: categorical, fields: [i, { name: j, width: ${width} }], width: 8 }\n`;

  it('reports embeddings that fm cannot multiply, with the fix, at any depth', () => {
    const one = '  item: { type: categorical, fields: [i], width: 4 }\n';
    expect(found(user + one, '{ name: esmm, bottom: { name: fm } }')).toEqual([
      'x.yaml:4:9: fm requires embeddings of equal width, but "i" has width 4 and "u" 8; set the same width, ' +
        'or select groups of equal width, such as input: [user]',
    ]);
    expect(found(user + item(4), '{ name: fm, input: [item] }')).toEqual([
      'x.yaml:4:9: fm requires embeddings of equal width, but "j" has width 4 and "i" 8; set the same width',
    ]);
    expect(found(user + item(8), '{ name: single-task, bottom: { name: fm } }')).toEqual([]);
    expect(found(user + item(4), '{ name: dcn }')).toEqual([]);
  });

  it('reports that fm has nothing to multiply', () => {
    expect(found(user + item(8), '{ name: fm, input: [user] }')).toEqual([
      'x.yaml:6:8: fm multiplies pairs of fields, but its input has only "u"; add fields or groups to input',
    ]);
    expect(found('  n: { type: numeric, fields: [x, y] }\n', '{ name: fm }')).toEqual([
      'x.yaml:5:8: fm requires embeddings, but its input has only numbers; ' +
        'use type bucketized, piecewise-linear or periodic, or add groups to input',
    ]);
  });
});

describe('distillation between streams', () => {
  const finalnet = (options: string): string => `{ name: finalnet, distillation: 1${options} }`;

  it('requires two streams, and tasks with the logit of a probability', () => {
    expect(problems(`{ name: esmm, bottom: ${finalnet(', second: { hidden: [] }')} }`)).toEqual([
      'model.bottom.distillation: requires two stacks, but second.hidden is []; add layers or remove it',
    ]);
    const tasks = '{ ctr: { label: click }, spend: { label: paid, type: regression } }';
    expect(problems(`{ name: single-task, bottom: ${finalnet('')} }`, tasks)).toEqual([
      'model.bottom: distillation requires tasks with the logit of a probability, but "spend" is a regression with ' +
        'loss squared; use cross-entropy or focal, or remove distillation',
    ]);
  });

  it('requires towers that read the shared layers alone', () => {
    expect(problems(`{ name: resflow, bottom: ${finalnet('')} }`)).toEqual([
      'model.bottom: resflow has layers between bottom and towers, so distillation does not apply; remove distillation',
    ]);
  });
});

describe('wide part', () => {
  it('requires known groups and a unique table name', () => {
    expect(problems('{ name: esmm, wide: { input: [itm] } }')).toEqual([
      `model.wide.input.0: expected a feature group (user, item), found "itm"; did you mean 'item'?`,
    ]);
    expect(problems('{ name: esmm, wide: { input: [item] } }')).toEqual([]);
    expect(problems('{ name: esmm }\ntraining: { optimizer: { wide: { name: ftrl } } }')).toEqual([
      'training.optimizer.wide: the model has no wide part; set model.wide: true, or remove this optimizer',
    ]);
    expect(problems('{ name: esmm, wide: true }\ntraining: { optimizer: { wide: { name: ftrl } } }')).toEqual([]);
    expect(() =>
      parseConfig(
        'data: { train: a.csv }\nfeatures: { a: { type: categorical, fields: [u, wide.u] } }\n' +
          'tasks: { ctr: { label: click } }\nmodel: { name: mmoe, wide: true }\n',
        'x.yaml',
      ),
    ).toThrow("x.yaml:4:28: model.wide: adds a table 'wide.u', which is also the name of a field; rename the field");
  });
});

describe('model with incompatible tasks', () => {
  it('reports unknown tasks, cycles and missing dependencies of dbmtl', () => {
    expect(problems('{ name: dbmtl, parents: { cvr: [ctrr], spend: [ctr] } }')).toEqual([
      'model.parents.cvr.0: unknown task "ctrr"; did you mean \'ctr\'?',
      'model.parents.spend: unknown task "spend"',
    ]);
    expect(problems('{ name: dbmtl, parents: { ctr: [cvr] } }')).toEqual([
      'model.parents.ctr: "ctr" depends on itself through other tasks; remove one of the dependencies',
      'tasks.cvr.given: "cvr" depends on itself through other tasks; remove one of the dependencies',
    ]);
    expect(problems('{ name: dbmtl }', '{ like: { label: like }, share: { label: share } }')).toEqual([
      'model.parents: dbmtl requires a task that depends on another; set parents: { share: [like] }, ' +
        'or use shared-bottom',
    ]);
    expect(
      problems(
        '{ name: dbmtl, parents: { share: [like] } }',
        '{ like: { label: like }, share: { label: share }, spend: { label: spend, type: regression } }',
      ),
    ).toEqual([]);
  });

  it('reports invalid categories of home', () => {
    expect(problems('{ name: home, categories: { a: [ctr, cv], b: [ctr] } }')).toEqual([
      'model.categories.a.0: "ctr" is in two categories; remove it from one',
      'model.categories.a.1: unknown task "cv"; did you mean \'cvr\'?',
      'model.categories.b.0: "ctr" is in two categories; remove it from one',
    ]);
    expect(problems('{ name: esmm, bottom: { name: home, categories: { a: [x] } } }')).toEqual([
      'model.bottom.categories.a.0: unknown task "x"',
    ]);
  });

  it('reports tasks that are not in funnel order or are not probabilities', () => {
    expect(problems('{ name: resflow }', '{ cvr: { label: buy, given: click }, ctr: { label: click } }')).toEqual([
      'tasks.cvr.given: expected no given, since the task is first, found "click"; ' +
        'resflow requires tasks in funnel order',
    ]);
    expect(
      problems('{ name: resflow }', '{ ctr: { label: click }, spend: { label: spend, type: regression } }'),
    ).toEqual([
      'tasks.spend.type: resflow compares probabilities, but "spend" is a regression; use another model, such as mmoe',
    ]);
  });
});
