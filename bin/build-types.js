#!/usr/bin/env node
// Writes the types of the library without imports of packages: a user's compiler reads two files in place of hundreds,
// and needs no package of mtl. Only the published package has them, since the compiler takes longer than the rest of a
// build. The declarations are in the file for CommonJS because ES modules can import them, and not the reverse.
// Usage: node bin/build-types.js [DIRECTORY], default: dist
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = fileURLToPath(new URL('..', import.meta.url));

/** An alias is followed once; types are complete. */
const FULL =
  ts.NodeBuilderFlags.NoTruncation |
  ts.NodeBuilderFlags.InTypeAlias |
  ts.NodeBuilderFlags.UseAliasDefinedOutsideCurrentScope;

/** Writes a declaration file for each module that the library reaches. npm run lint checks their types. */
function writeDeclarations(options, outDir) {
  const emitted = { declaration: true, emitDeclarationOnly: true, noCheck: true, noEmit: false, incremental: false };
  const source = join(root, 'src');
  const { tsBuildInfoFile, ...own } = options;
  const program = ts.createProgram([join(source, 'index.ts')], { ...own, ...emitted, rootDir: source, outDir });
  const { emitSkipped, diagnostics } = program.emit();
  if (emitSkipped || diagnostics.length > 0)
    throw new Error(
      ts.formatDiagnostics(diagnostics, { ...ts.sys, getCanonicalFileName: (name) => name, getNewLine: () => '\n' }),
    );
}

/** Returns `index.d.ts` of a directory with all declarations that it reaches. */
function joinDeclarations(options, folder) {
  const entry = join(folder, 'index.d.ts');
  return printTypes(ts.createProgram([entry], options), entry, (file) => !isOutside(folder, file));
}

const isOutside = (folder, file) => {
  const path = relative(folder, file);
  return path.startsWith('..') || isAbsolute(path) || path.includes('node_modules');
};

/** Prints the exports of a file and every declaration that they reach. */
function printTypes(program, entry, isOwn) {
  const checker = program.getTypeChecker();
  const own = collector(checker, isOwn);
  const exported = checker
    .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(entry)))
    .map((symbol) => ({ name: symbol.name, local: own.nameOf(aliased(checker, symbol)) }));
  const declarations = own.print();
  const names = exported.map(({ name, local }) => (name === local ? name : `${local} as ${name}`));
  return [...own.imports(), ...declarations, `export { ${names.join(', ')} };`, ''].join('\n');
}

const aliased = (checker, symbol) =>
  (symbol.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(symbol) : symbol;

/** Collects declarations by symbol; two symbols of one name get different ones. */
function collector(checker, isOwn) {
  /** Names by symbol, in the order in which they are found. */
  const names = new Map();
  const external = new Map();
  const isTaken = (name) => [...names.values(), ...external.keys()].includes(name);
  const nameOf = (symbol) => {
    const known = names.get(symbol);
    if (known !== undefined) return known;
    let name = symbol.name;
    for (let i = 2; isTaken(name); i++) name = `${symbol.name}${i}`;
    names.set(symbol, name);
    return name;
  };
  /** Returns the text that replaces an identifier of a type, or undefined. */
  const renamed = (node) => {
    // Nodes that the checker creates have a symbol in place of a location.
    const symbol = node.symbol ?? checker.getSymbolAtLocation(node);
    if (symbol === undefined) return undefined;
    const target = aliased(checker, symbol);
    const own = (target.declarations ?? []).find((declaration) => isOwn(declaration.getSourceFile().fileName));
    if (own !== undefined) return isTopLevel(own) ? nameOf(target) : undefined;
    const statement = importOf(symbol);
    if (statement === undefined) return undefined;
    const module = statement.moduleSpecifier.text;
    if (!module.startsWith('node:'))
      throw new Error(`${node.getSourceFile().fileName}: '${node.parent.getText()}': its types require ${module}`);
    external.set(node.text, `import type { ${node.text} } from '${module}';`);
    return undefined;
  };
  return {
    nameOf,
    imports: () => [...external.values()],
    print() {
      const texts = [];
      // `names` grows while declarations are printed.
      for (const symbol of names.keys())
        for (const declaration of symbol.declarations) texts.push(printDeclaration(checker, declaration, renamed));
      return texts;
    },
  };
}

const isTopLevel = (node) =>
  ts.isSourceFile(node.parent) || (ts.isVariableDeclaration(node) && ts.isSourceFile(node.parent.parent.parent));

function importOf(symbol) {
  const node = symbol.declarations?.[0];
  return node === undefined ? undefined : ts.findAncestor(node, ts.isImportDeclaration);
}

/** Prints a declaration with other names of what it reaches, and with the types that zod infers written out. */
function printDeclaration(checker, declaration, renamed) {
  const node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
  const edits = [];
  const visit = (part) => {
    const written = writtenOut(checker, part, renamed);
    if (written !== undefined) return void edits.push([part.getStart(), part.getEnd(), written]);
    const text = ts.isIdentifier(part) && !isMemberName(part) ? renamed(part) : undefined;
    if (text !== undefined && text !== part.text) edits.push([part.getStart(), part.getEnd(), text]);
    ts.forEachChild(part, visit);
  };
  visit(node);
  const [doc = '', code] = /^(\/\*\*[^]*?\*\/\s*)?([^]*)$/.exec(edited(node, edits)).slice(1);
  const bare = code.replace(/^export /, '').replace(/^declare /, '');
  return doc + (/^(?:abstract |const |function |class |enum )/.test(bare) ? `declare ${bare}` : bare);
}

/** Applies edits of a source to the text of a node, which includes its docstring. */
function edited(node, edits) {
  const { text } = node.getSourceFile();
  const doc = ts.getJSDocCommentsAndTags(node).find(ts.isJSDoc);
  let [at, result] = [doc?.pos ?? node.getStart(), ''];
  for (const [from, to, replacement] of edits.sort(([a], [b]) => a - b)) {
    result += text.slice(at, from) + replacement;
    at = to;
  }
  return result + text.slice(at, node.getEnd());
}

/** Names of members, and right sides of qualified names, are not names of declarations. */
function isMemberName(node) {
  const { parent } = node;
  if (ts.isQualifiedName(parent)) return parent.right === node;
  return (
    (ts.isPropertySignature(parent) || ts.isMethodSignature(parent) || ts.isParameter(parent)) && parent.name === node
  );
}

/** Writes out a type that zod infers, and hides a schema from callers; returns undefined for other types. */
function writtenOut(checker, node, renamed) {
  if (!ts.isTypeReferenceNode(node) && !ts.isExpressionWithTypeArguments(node)) return undefined;
  const called = (ts.isTypeReferenceNode(node) ? node.typeName : node.expression).getText();
  if (called === 'z.ZodType') return 'unknown';
  if (called !== 'z.output' && called !== 'z.infer') return undefined;
  const type = checker.typeToTypeNode(checker.getTypeFromTypeNode(node), undefined, FULL);
  const { transformed } = ts.transform(type, [
    (context) => (root) => {
      const visit = (part) => {
        const text = ts.isIdentifier(part) && part.symbol !== undefined ? renamed(part) : undefined;
        return text === undefined ? ts.visitEachChild(part, visit, context) : ts.factory.createIdentifier(text);
      };
      return ts.visitNode(root, visit);
    },
  ]);
  return ts.createPrinter().printNode(ts.EmitHint.Unspecified, transformed[0], node.getSourceFile());
}

const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
// In the clone, so that declarations find the packages that they import.
const scratch = mkdtempSync(join(root, '.dist-types-'));
try {
  writeDeclarations(options, scratch);
  const out = resolve(root, process.argv[2] ?? 'dist');
  writeFileSync(join(out, 'index.d.cts'), joinDeclarations(options, scratch));
  writeFileSync(join(out, 'index.d.ts'), "export * from './index.cjs';\n");
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
