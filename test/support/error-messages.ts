import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const SRC = join(import.meta.dirname, '..', '..', 'src');

/** Stands for a value in a message. */
export const VALUE = '…';

/** The message of a problem as the source builds it. */
export interface ErrorMessage {
  readonly path: string;
  /** Message in which `…` stands for each value. */
  readonly text: string;
  /** Whether the problem also has a fix, or copies one from another problem. */
  readonly hasFix: boolean;
  /** Whether it is the answer to an HTTP request. */
  readonly isResponse: boolean;
}

/** Returns the messages of all problems in the source: objects with a property `message`. */
export function listErrorMessages(): readonly ErrorMessage[] {
  return sources().flatMap(({ path, file }) => {
    const found: ErrorMessage[] = [];
    walk(file, (node) => {
      if (!ts.isObjectLiteralExpression(node)) return;
      const message = node.properties.find((each) => nameOf(each) === 'message');
      if (message === undefined || ts.isSpreadAssignment(message)) return;
      const hasFix = node.properties.some((each) => ts.isSpreadAssignment(each) || nameOf(each) === 'fix');
      const value = ts.isPropertyAssignment(message) ? message.initializer : declared(node, 'message');
      for (const text of value === undefined ? [VALUE] : textsOf(value))
        found.push({ path, text, hasFix, isResponse: isResponse(node) });
    });
    return found;
  });
}

/** Returns all texts of the source in which `…` stands for each value, also the parts of messages. */
export function listTexts(): readonly string[] {
  return sources().flatMap(({ file }) => {
    const found: string[] = [];
    walk(file, (node) => {
      if (ts.isStringLiteralLike(node) || ts.isTemplateExpression(node) || ts.isBinaryExpression(node))
        found.push(...textsOf(node));
    });
    return found;
  });
}

function sources(): readonly { readonly path: string; readonly file: ts.SourceFile }[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.startsWith('doctor'))
    .map((path) => {
      const text = readFileSync(join(SRC, path), 'utf8');
      return { path, file: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) };
    });
}

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => {
    walk(child, visit);
  });
}

/** Returns the initializer of a variable in a function around a node. */
function declared(node: ts.Node, name: string): ts.Expression | undefined {
  for (let around = node.parent; !ts.isSourceFile(around); around = around.parent) {
    if (!ts.isBlock(around)) continue;
    for (const statement of around.statements.filter(ts.isVariableStatement))
      for (const variable of statement.declarationList.declarations)
        if (variable.name.getText() === name) return variable.initializer;
  }
  return undefined;
}

function nameOf({ name }: ts.ObjectLiteralElementLike): string | undefined {
  return name !== undefined && ts.isIdentifier(name) ? name.text : undefined;
}

function isResponse(node: ts.Node): boolean {
  const call = node.parent;
  return ts.isCallExpression(call) && /^refusal/.test(call.expression.getText());
}

/** Returns the texts that an expression can have. */
function textsOf(value: ts.Expression): readonly string[] {
  if (ts.isStringLiteralLike(value)) return [value.text];
  if (ts.isTemplateExpression(value))
    return [value.head.text + value.templateSpans.map(({ literal }) => VALUE + literal.text).join('')];
  if (ts.isParenthesizedExpression(value)) return textsOf(value.expression);
  if (ts.isConditionalExpression(value)) return [...textsOf(value.whenTrue), ...textsOf(value.whenFalse)];
  if (ts.isBinaryExpression(value) && value.operatorToken.kind === ts.SyntaxKind.PlusToken)
    return textsOf(value.left).flatMap((left) => textsOf(value.right).map((right) => left + right));
  // joined(message, hint) adds a fix.
  if (ts.isCallExpression(value) && value.expression.getText() === 'joined')
    return textsOf(value.arguments[0]!).map((text) => `${text}; ${VALUE}`);
  return [VALUE];
}
