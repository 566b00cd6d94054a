/** A parsed expression; `at` is its offset in the text. */
export type Expression = { readonly at: number } & (
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'column'; readonly name: string }
  | Call
);

/** A call of a function or an operator. */
export interface Call {
  readonly kind: 'call';
  readonly at: number;
  readonly name: string;
  readonly args: readonly Expression[];
}

/** Thrown for text that is not an expression. */
export class ExpressionError extends Error {
  constructor(
    readonly at: number,
    message: string,
  ) {
    super(`${message} at character ${at + 1}`);
  }
}

interface Token {
  readonly at: number;
  readonly group: 'number' | 'text' | 'quoted' | 'word' | 'sign' | 'end';
  readonly text: string;
}

const TOKEN =
  /(?<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?<text>'[^']*')|(?<quoted>`[^`]+`)|(?<word>[\p{L}_][\p{L}\p{N}_.]*)|(?<sign><=|>=|==|!=|[-+*/()<>,])/uy;

/** Precedence of binary operators; operators of equal precedence group from the left. */
const BINARY: Readonly<Record<string, number>> = {
  or: 1,
  and: 2,
  ...{ '<': 4, '<=': 4, '>': 4, '>=': 4, '==': 4, '!=': 4 },
  ...{ '+': 5, '-': 5 },
  ...{ '*': 6, '/': 6 },
};
/** Prefix operators: the function that each calls, and its precedence. */
const PREFIX: Readonly<Record<string, readonly [name: string, precedence: number]>> = {
  not: ['not', 3],
  '-': ['negate', 7],
};
/** Maximum nesting, so that no text overflows the stack. */
const MAX_DEPTH = 100;

/**
 * Parses an expression by operator precedence (Pratt 1973).
 * @throws ExpressionError
 */
export function parseExpression(text: string): Expression {
  const parser = new Parser(tokenize(text));
  const expression = parser.expression(0, 0);
  parser.expect('end');
  return expression;
}

function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length;) {
    if (/\s/.test(text[at]!)) {
      at++;
      continue;
    }
    TOKEN.lastIndex = at;
    const groups: Readonly<Record<string, string | undefined>> = TOKEN.exec(text)?.groups ?? {};
    const [group, token] = Object.entries(groups).find(([, value]) => value !== undefined) ?? [];
    if (token === undefined) throw new ExpressionError(at, `unexpected ${JSON.stringify(text[at])}`);
    // The names of the groups are those of the expression.
    tokens.push({ at, group: group as Token['group'], text: token });
    at += token.length;
  }
  return [...tokens, { at: text.length, group: 'end', text: '' }];
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** Parses operators above a precedence. */
  expression(above: number, depth: number): Expression {
    if (depth > MAX_DEPTH) throw new ExpressionError(this.#token.at, `more than ${MAX_DEPTH} nested operations`);
    let left = this.#operand(depth);
    for (;;) {
      const { at, text } = this.#token;
      const precedence = this.#lookUp(BINARY) ?? 0;
      if (precedence <= above) return left;
      this.#next++;
      left = { kind: 'call', at, name: text, args: [left, this.expression(precedence, depth + 1)] };
    }
  }

  /** Consumes a token with a text, or the end. */
  expect(text: string): void {
    const { group, at } = this.#token;
    if (this.#is(text) || (text === 'end' && group === 'end')) this.#next++;
    else throw new ExpressionError(at, `expected ${text === 'end' ? 'an operator' : text}, found ${this.#found}`);
  }

  get #token(): Token {
    return this.#tokens[this.#next]!;
  }

  get #found(): string {
    return this.#token.group === 'end' ? 'the end' : this.#token.text;
  }

  /** Returns the entry of the operator at the current token, if it is one. */
  #lookUp<Entry>(operators: Readonly<Record<string, Entry>>): Entry | undefined {
    const { group, text } = this.#token;
    return (group === 'sign' || group === 'word') && Object.hasOwn(operators, text) ? operators[text] : undefined;
  }

  #is(sign: string): boolean {
    return this.#token.group === 'sign' && this.#token.text === sign;
  }

  #operand(depth: number): Expression {
    const { at, group, text } = this.#token;
    const prefix = this.#lookUp(PREFIX);
    if (group === 'end' || (prefix === undefined && group === 'sign' && text !== '('))
      throw new ExpressionError(at, `expected a number, a column or a function, found ${this.#found}`);
    this.#next++;
    if (prefix !== undefined)
      return { kind: 'call', at, name: prefix[0], args: [this.expression(prefix[1], depth + 1)] };
    if (group === 'number') return { kind: group, at, value: Number(text) };
    if (group === 'text') return { kind: group, at, value: text.slice(1, -1) };
    if (group === 'quoted') return { kind: 'column', at, name: text.slice(1, -1) };
    if (group === 'word') return this.#is('(') ? this.#call(at, text, depth) : { kind: 'column', at, name: text };
    const inner = this.expression(0, depth + 1);
    this.expect(')');
    return inner;
  }

  #call(at: number, name: string, depth: number): Expression {
    const args: Expression[] = [];
    do {
      this.#next++;
      if (args.length === 0 && this.#is(')')) break;
      args.push(this.expression(0, depth + 1));
    } while (this.#is(','));
    this.expect(')');
    return { kind: 'call', at, name, args };
  }
}
