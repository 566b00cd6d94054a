import { check, commonDomain } from './checks.js';
import type { Domain } from './domain.js';
import type { Initializer, OperationName, Operations, Parameter, Value, ValueOf } from './operations.js';

/** Records values and parameters of a graph. */
export class GraphRecorder {
  readonly values: Value[];
  readonly #parameters: Map<string, Parameter>;
  readonly #dropouts: Set<string>;
  readonly #prefix: string;

  /** Creates a graph or, with `within`, a view of that graph that prefixes every name with `prefix`. */
  constructor(within?: GraphRecorder, prefix = '') {
    this.values = within?.values ?? [];
    this.#parameters = within === undefined ? new Map<string, Parameter>() : within.#parameters;
    this.#dropouts = within === undefined ? new Set<string>() : within.#dropouts;
    this.#prefix = within === undefined ? prefix : `${within.#prefix}${prefix}.`;
  }

  /** All parameters, in order of creation. */
  get parameters(): readonly Parameter[] {
    return [...this.#parameters.values()];
  }

  /**
   * Adds a value.
   * @param rows default: the domain of the operands, which must be the same
   */
  protected push<Name extends OperationName>(
    op: Name,
    width: number,
    attributes: Operations[Name],
    rows: Domain = commonDomain(op, attributes),
  ): ValueOf<Name> {
    check(Number.isInteger(width) && width > 0, `${op} of width ${width}`);
    const value: ValueOf<Name> = { ...attributes, op, width, rows, id: this.values.length };
    // TypeScript cannot narrow the union by the type parameter.
    this.values.push(value as unknown as Value);
    return value;
  }

  /** Returns the name of a dropout, which identifies its random masks. */
  protected dropoutName(layer: string): string {
    const name = `${this.#prefix}${layer}`;
    check(!this.#dropouts.has(name), `duplicate dropout name '${name}'`);
    this.#dropouts.add(name);
    return name;
  }

  protected parameter(localName: string, shape: readonly number[], init: Initializer, isTrainable = true): Parameter {
    const name = `${this.#prefix}${localName}`;
    check(!this.#parameters.has(name), `duplicate parameter name '${name}'`);
    const parameter = { name, shape, init, isTrainable };
    this.#parameters.set(name, parameter);
    return parameter;
  }
}
