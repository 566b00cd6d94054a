#!/usr/bin/env node
// npm run docs: writes docs/api.md from the types and texts of src/index.ts, as the compiler sees them.
import { writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'docs', 'api.md');

const INTRODUCTION = `# mtl as a library

\`\`\`js
import { loadModel, train, evaluate, predict } from 'mtl';
\`\`\`

The package is an ES module for Node 20.19 or later, with types. All that goes wrong in a way that has a cure is a \`UserError\`:
its \`problems\` say where, what and what to do. Nothing is printed, and no thread is left behind. What the commands do with a model
is told in [serving.md](serving.md).

*This page is written by \`npm run docs\` from the texts in the source.*
`;

/** The page. */
export function apiPage() {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram([join(root, 'src', 'index.ts')], options);
  const checker = program.getTypeChecker();
  const index = checker.getSymbolAtLocation(program.getSourceFile(join(root, 'src', 'index.ts')));
  const exported = checker
    .getExportsOfModule(index)
    .map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));
  const names = new Map(checker.getExportsOfModule(index).map((symbol, i) => [exported[i], symbol.name]));
  const isCode = (symbol) => (symbol.flags & (ts.SymbolFlags.Function | ts.SymbolFlags.Class)) !== 0;
  const byName = (a, b) => (names.get(a) < names.get(b) ? -1 : 1);
  const [code, types] = [
    exported.filter(isCode).sort(byName),
    exported.filter((symbol) => !isCode(symbol)).sort(byName),
  ];
  const section = (symbol) => readSection(checker, symbol, names.get(symbol));
  return [
    INTRODUCTION,
    ...code.map(section),
    '## Types\n',
    ...types.map((symbol) => section(symbol).replace(/^## /, '### ')),
  ].join('\n');
}

/** What a symbol is called, what it is, and what its text says. */
function readSection(checker, symbol, name) {
  const declaration = symbol.declarations[0];
  return [
    `## ${name}\n`,
    ...textOf(checker, symbol),
    fenced('ts', declarationText(checker, declaration, name)),
    ...examplesOf(symbol),
    ...membersWithExamples(checker, declaration, name),
  ].join('\n');
}

function textOf(checker, symbol) {
  const tags = symbol.getJsDocTags(checker).filter(({ name }) => name !== 'example');
  const lines = tags.map(({ name, text }) => {
    const said = ts.displayPartsToString(text).replace(/\s+/g, ' ').trim();
    if (name === 'param') return `- \`${said.split(' ')[0]}\`: ${said.split(' ').slice(1).join(' ')}`;
    return `- ${name}: ${said}`;
  });
  const text = ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim();
  return [...(text === '' ? [] : [`${text}\n`]), ...(lines.length === 0 ? [] : [`${lines.join('\n')}\n`])];
}

function examplesOf(symbol) {
  return symbol
    .getJsDocTags()
    .filter(({ name }) => name === 'example')
    .map(({ text }) => fenced('js', ts.displayPartsToString(text).trim()));
}

/** Members of an interface that have an example. */
function membersWithExamples(checker, declaration, name) {
  if (!ts.isInterfaceDeclaration(declaration)) return [];
  return declaration.members.flatMap((member) => {
    const symbol = member.name && checker.getSymbolAtLocation(member.name);
    const examples = symbol === undefined ? [] : examplesOf(symbol);
    return examples.length === 0 ? [] : [`**${name}.${symbol.name}**\n`, ...examples];
  });
}

/** A declaration as its user sees it: functions and classes without their bodies, objects with all that they have. */
function declarationText(checker, declaration, name) {
  const type = checker.getTypeAtLocation(declaration);
  const isObject =
    ts.isInterfaceDeclaration(declaration) ||
    (ts.isTypeAliasDeclaration(declaration) &&
      !type.isUnion() &&
      type.getProperties().length > 0 &&
      checker.getIndexInfosOfType(type).length === 0);
  if (!isObject) return printed(withoutBody(declaration), declaration.getSourceFile());
  const members = checker.getPropertiesOfType(type).map((property) => memberText(property));
  return `interface ${name} {\n${members.join('\n')}\n}`;
}

function memberText(property) {
  const [member] = property.declarations;
  const text = printed(member, member.getSourceFile(), true);
  const isOptional = (property.flags & ts.SymbolFlags.Optional) !== 0;
  const named =
    isOptional && member.questionToken === undefined
      ? text.replace(new RegExp(`^((?:readonly )?${property.name})(?=[:(<])`, 'm'), '$1?')
      : text;
  return named.replace(/^/gm, '  ');
}

/** The text of a node, without what its examples say and, unless it is a member, without the text above it. */
function printed(node, source, isMember = false) {
  const text = ts.createPrinter({ removeComments: false }).printNode(ts.EmitHint.Unspecified, node, source);
  return (isMember ? text : text.replace(/^\/\*\*[^]*?\*\/\n/, ''))
    .replace(/^export (async )?/, '')
    .replace(/^ *\* @example\n(?: *\* (?!@).*\n)*/gm, '')
    .replace(/^( +)\1/gm, (indent) => ' '.repeat(indent.length / 2))
    .trim();
}

function withoutBody(node) {
  const { factory } = ts;
  if (ts.isFunctionDeclaration(node)) {
    const parameters = node.parameters.map((parameter) => {
      const name = ts.isIdentifier(parameter.name) ? parameter.name : factory.createIdentifier('options');
      const question =
        parameter.initializer === undefined
          ? parameter.questionToken
          : factory.createToken(ts.SyntaxKind.QuestionToken);
      return factory.createParameterDeclaration(undefined, parameter.dotDotDotToken, name, question, parameter.type);
    });
    return factory.createFunctionDeclaration(
      undefined,
      undefined,
      node.name,
      node.typeParameters,
      parameters,
      node.type,
      undefined,
    );
  }
  if (ts.isClassDeclaration(node)) {
    const members = node.members.map((member) => {
      if (ts.isConstructorDeclaration(member))
        return factory.createConstructorDeclaration(undefined, member.parameters, undefined);
      if (ts.isGetAccessorDeclaration(member))
        return factory.createPropertyDeclaration(
          [factory.createModifier(ts.SyntaxKind.ReadonlyKeyword)],
          member.name,
          undefined,
          member.type,
          undefined,
        );
      return member;
    });
    return factory.createClassDeclaration(undefined, node.name, node.typeParameters, node.heritageClauses, members);
  }
  return node;
}

function fenced(language, text) {
  return `\`\`\`${language}\n${text}\n\`\`\`\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(target, apiPage());
  process.stdout.write(`${relative(process.cwd(), target)}\n`);
}
