import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/graph/builder.js';
import type { Value } from '../../src/graph/operations.js';
import { findCanceledBiases, listRequired } from '../../src/graph/graph.js';

describe('the graph builder', () => {
  const start = () => {
    const g = new GraphBuilder();
    return { g, x: g.input({ kind: 'features', begin: 0 }, 4) };
  };

  it.each([
    [
      'multiply',
      () => {
        const { g, x } = start();
        g.multiply(x, g.slice(x, 0, 3));
      },
      /multiply: width/,
    ],
    [
      'add',
      () => {
        const { g, x } = start();
        g.add(x, g.slice(x, 0, 3));
      },
      /add: width/,
    ],
    [
      'slice',
      () => {
        const { g, x } = start();
        g.slice(x, 2, 3);
      },
      /slice 2\+3 of width 4/,
    ],
    [
      'mixture of a gate of another width',
      () => {
        const { g, x } = start();
        g.mixture(x, [x, x]);
      },
      /mixture gate: width is 4, expected 2/,
    ],
    [
      'mixture of unlike experts',
      () => {
        const { g, x } = start();
        g.mixture(g.slice(x, 0, 2), [x, g.slice(x, 0, 2)]);
      },
      /mixture expert: width is 2, expected 4/,
    ],
    [
      'attend',
      () => {
        const { g, x } = start();
        g.attend([x, g.slice(x, 0, 2)], 'a');
      },
      /attend: width is 2, expected 4/,
    ],
    [
      'a loss of many columns',
      () => {
        const { g, x } = start();
        g.squaredError(x, g.slice(x, 0, 1));
      },
      /loss: width is 4, expected 1/,
    ],
    [
      'two parameters of one name',
      () => {
        const { g, x } = start();
        g.linear(x, 2, 'l');
        g.linear(x, 2, 'l');
      },
      /duplicate parameter name 'l\.weight'/,
    ],
    [
      'a dropout of everything',
      () => {
        const { g, x } = start();
        g.dropout(x, 1, 'd');
      },
      /dropout 'd' has rate 1/,
    ],
    [
      'concat of nothing',
      () => {
        start().g.concat([]);
      },
      /concat requires a value/,
    ],
  ])('rejects incompatible widths: %s', (_, build, message) => {
    expect(build).toThrow(message);
  });

  it('adds no operation for dropout 0 or a linear activation', () => {
    const { g, x } = start();
    expect(g.dropout(g.activation(x, 'linear', 'a'), 0, 'd')).toBe(x);
    expect(g.values).toHaveLength(1);
  });

  it('lists the values that a result requires, operands first', () => {
    const { g, x } = start();
    const a = g.linear(x, 2, 'a');
    g.linear(x, 2, 'unused');
    const sum = g.add(a, g.slice(x, 0, 2));
    const graph = { values: g.values, parameters: g.parameters, predictions: new Map(), terms: [] };
    expect(listRequired(graph, [sum]).map(({ op }) => op)).toEqual(['input', 'linear', 'slice', 'add']);
  });

  it('finds the biases that a batch norm cancels, and not those that another operation reads', () => {
    const { g, x } = start();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => g.linear(x, 2, name));
    const sum = g.add(g.batchNorm(a!, 'na'), g.add(b!, g.batchNorm(b!, 'nb')));
    const graph = {
      values: g.values,
      parameters: g.parameters,
      predictions: new Map<string, Value>([
        ['t', c!],
        ['s', sum],
      ]),
      terms: [],
    };
    expect([...findCanceledBiases(graph)].map(({ name }) => name)).toEqual(['a.bias']);
  });
});
