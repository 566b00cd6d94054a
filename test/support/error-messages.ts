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
  const all = sources();
  return all.flatMap(({ path, file }) => {
    const found: ErrorMessage[] = [];
    walk(file, (node) => {
      if (ts.isCallExpression(node) || ts.isNewExpression(node)) found.push(...passedMessages(node, path, file, all));
      if (!ts.isObjectLiteralExpression(node)) return;
      const message = node.properties.find((each) => nameOf(each) === 'message');
      if (message === undefined || ts.isSpreadAssignment(message)) return;
      const hasFix = node.properties.some((each) => ts.isSpreadAssignment(each) || nameOf(each) === 'fix');
      const value = ts.isPropertyAssignment(message) ? message.initializer : declared(node, 'message');
      const texts = value === undefined ? [VALUE] : returned(value, file).flatMap((each) => textsOf(each));
      for (const text of texts) found.push({ path, text, hasFix, isResponse: isResponse(node) });
    });
    return found;
  });
}

/** Functions with a parameter `message` that create no error. */
const NO_ERRORS = ['warn', 'joined'];

/** Returns the messages that a call passes to a function with a parameter `message`, such as `fail(message)`. */
function passedMessages(
  call: ts.CallExpression | ts.NewExpression,
  path: string,
  file: ts.SourceFile,
  all: readonly Source[],
): readonly ErrorMessage[] {
  const name = call.expression.getText();
  const isImported = new RegExp(`^import \\{[^}]*\\b${name.replace(/\W/g, '.')}\\b`, 'm').test(file.text);
  const callees = (isImported ? all : all.filter((each) => each.file === file)).flatMap((each) =>
    functionsIn(each.file),
  );
  const { parameters = [], body }: Partial<Callee> = callees.find((each) => each.name === name) ?? {};
  const passed = call.arguments?.[parameters.indexOf('message')];
  // An Error that is not a UserError is a bug.
  if (passed === undefined || NO_ERRORS.includes(name) || /new Error\(/.test(body?.getText() ?? '')) return [];
  const hasFix = parameters.includes('fix')
    ? call.arguments!.length > parameters.indexOf('fix')
    : /\bfix\b|\bshardError\(/.test(body?.getText() ?? '');
  return textsOf(passed).map((text) => ({ path, text, hasFix, isResponse: false }));
}

/** Returns the expressions that a call of a function of the same file returns, else the expression itself. */
function returned(value: ts.Expression, file: ts.SourceFile): readonly ts.Expression[] {
  if (!ts.isCallExpression(value)) return [value];
  const body = functionsIn(file).find(({ name }) => name === value.expression.getText())?.body;
  if (body === undefined) return [value];
  if (!ts.isBlock(body)) return [body];
  const found: ts.Expression[] = [];
  walk(body, (node) => {
    if (ts.isReturnStatement(node) && node.expression !== undefined) found.push(node.expression);
  });
  return found;
}

/** A function of a source by its name, or a class by the parameters of its constructor. */
interface Callee {
  readonly name: string;
  readonly parameters: readonly string[];
  readonly body: ts.ConciseBody | undefined;
}

const callees = new Map<ts.SourceFile, readonly Callee[]>();

function functionsIn(file: ts.SourceFile): readonly Callee[] {
  const known = callees.get(file);
  if (known !== undefined) return known;
  const found: Callee[] = [];
  const add = (name: string, { parameters, body }: ts.FunctionLikeDeclaration): void => {
    found.push({ name, parameters: parameters.map((each) => each.name.getText()), body });
  };
  walk(file, (node) => {
    if (ts.isFunctionDeclaration(node) && node.name !== undefined) add(node.name.text, node);
    if (ts.isVariableDeclaration(node) && node.initializer !== undefined && ts.isArrowFunction(node.initializer))
      add(node.name.getText(), node.initializer);
    if (ts.isConstructorDeclaration(node)) add(node.parent.name?.text ?? '', node);
  });
  callees.set(file, found);
  return found;
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

interface Source {
  readonly path: string;
  readonly file: ts.SourceFile;
}

function sources(): readonly Source[] {
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
