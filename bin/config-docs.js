#!/usr/bin/env node
// npm run docs: writes docs/config.md, or another file that is named: every key of a config, from the schema that reads them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'docs', 'config.md');

const INTRODUCTION = `# Every key of a config

One table a section of the YAML. [config-by-example.md](config-by-example.md) shows them at work. \`npx mtl config show CONFIG\` prints a
config with all that it leaves to defaults, and \`npx mtl config schema\` prints the schema itself, for an editor. A key that is not here is an error.

*This page is written by \`npm run docs\` from the schema that reads configs.*
`;

/** Options that several parts have: told once, below, and linked. A table that stands once costs a reader less than a jump. */
const LEAST_SHARED = 3;

/** The schema of configs, as built. */
async function builtSchema() {
  const { jsonSchema } = await import(pathToFileURL(join(root, 'dist', 'config', 'json-schema.js')).href);
  return jsonSchema();
}

/** The page, of that schema. */
function configPage(schema) {
  const shapes = new Map();
  collectShapes(schema, 'config', shapes);
  const shared = new Map([...shapes.values()].filter(({ count }) => count >= LEAST_SHARED).map(({ name, node, key }) => [key, { name, node, anchor: `shared-${slug(name)}` }]));
  distinguish([...shared.values()]);
  const page = { schema, shared };
  const plain = Object.entries(schema.properties).filter(([, node]) => !isSection(node));
  const sections = Object.entries(schema.properties).filter(([, node]) => isSection(node));
  return [
    INTRODUCTION,
    '## On its own\n',
    table(page, plain.map(([key, node]) => ({ key, node, isRequired: schema.required?.includes(key) === true }))),
    ...sections.map(([key, node]) => sectionText(page, key, node)),
    '## Options that many parts have\n',
    ...[...shared.values()].map(({ name, node, anchor }) => `<a id="${anchor}"></a>\n\n### \`${name}\`\n\n${bodyOf(page, node, 4)}`),
    ...Object.values(schema.$defs ?? {}).map((node) => `<a id="condition"></a>\n\n### A condition\n\n${sentence(node.description)}. [labels.md](labels.md) has examples.\n\n${formsOf(page, node)}`),
  ].join('\n').replace(/\n{3,}/g, '\n\n');
}

const isSection = (node) => node.properties !== undefined || node.oneOf !== undefined || typeof node.additionalProperties === 'object';
const slug = (text) => text.replace(/[^\w-]+/g, '-').toLowerCase();
/** The key by whose value a part is chosen, as `name`. */
const choiceKey = (node) => Object.entries(node.properties ?? {}).find(([, { const: value }]) => value !== undefined)?.[0];
const nameOf = (node) => node.properties?.[choiceKey(node)]?.const;
/** The parts that a key chooses among. */
const isShared = (page, node) => (node.properties !== undefined || node.oneOf !== undefined) && page.shared.has(shapeOf(node));
const partsOf = (page, node) => [node, ...(node.anyOf ?? []), ...(node.items?.anyOf ?? [])].filter((form) => !isShared(page, form)).flatMap((form) => [form, ...(form.oneOf ?? [])]).filter((form) => nameOf(form) !== undefined);
/** What an object is, whatever its text and default say of its place. */
const shapeOf = ({ properties, oneOf }) => JSON.stringify(properties ?? oneOf.map(({ properties: own }) => own));

/** Counts the objects and choices of parts that are alike. */
function collectShapes(node, name, shapes) {
  const isShape = (node.properties !== undefined && nameOf(node) === undefined) || (node.oneOf !== undefined && node.oneOf.every((part) => nameOf(part) !== undefined));
  if (isShape) {
    const key = shapeOf(node);
    const known = shapes.get(key) ?? { name, node, key, count: 0 };
    shapes.set(key, { ...known, count: known.count + 1 });
    if (known.count > 0) return;
  }
  for (const [key, child] of Object.entries(node.properties ?? {})) collectShapes(child, key, shapes);
  for (const child of [...(node.oneOf ?? []), ...(node.anyOf ?? [])]) collectShapes(child, name, shapes);
  for (const child of [node.items, node.additionalProperties]) if (typeof child === 'object') collectShapes(child, name, shapes);
}

/** Numbers shapes of one name. */
function distinguish(shapes) {
  for (const [index, shape] of shapes.entries()) {
    const before = shapes.slice(0, index).filter(({ anchor }) => anchor.replace(/-\d+$/, '') === shape.anchor).length;
    if (before > 0) shape.anchor += `-${before + 1}`;
  }
}

function sectionText(page, key, node) {
  const text = node.description === undefined ? '' : `${sentence(node.description)}\n\n`;
  return `## \`${key}\`\n\n${text}${bodyOf(page, node)}`;
}

/** What is inside an object, a choice of parts, or a map of either; then, under headings, the parts that its keys choose among. */
function bodyOf(page, node, level = 3, path = '') {
  if (typeof node.additionalProperties === 'object' && node.properties === undefined) return `By name:\n\n${bodyOf(page, node.additionalProperties, level, path)}`;
  if (node.oneOf !== undefined) return node.oneOf.map((part) => partText(page, part, level)).join('\n');
  const rows = rowsOf(page, node, path);
  const choices = rows.filter(({ node: own }) => partsOf(page, own).length > 0);
  return [table(page, rows), ...choices.map(({ key, node: own }) => `${'#'.repeat(level)} \`${key}\`\n\n${partsOf(page, own).map((part) => partText(page, part, level + 1)).join('\n')}`)].join('\n');
}

function partText(page, part, level) {
  const key = choiceKey(part);
  const { [key]: chosen, ...properties } = part.properties;
  const text = part.description === undefined ? '' : `${sentence(part.description)}\n\n`;
  return `${'#'.repeat(level)} \`${key}: ${chosen.const}\`\n\n${text}${Object.keys(properties).length === 0 ? 'It has no options.\n' : bodyOf(page, { ...part, properties }, level + 1)}`;
}

/** The keys of an object, those of objects inside with their path. */
function rowsOf(page, { properties, required = [] }, path = '') {
  return Object.entries(properties).flatMap(([name, node]) => {
    const key = `${path}${name}`;
    const isObject = (form) => form.properties !== undefined && nameOf(form) === undefined && !isShared(page, form);
    const rowsIn = (forms) => forms.filter(isObject).flatMap((form) => rowsOf(page, form, `${key}.`));
    const items = [node, ...(node.anyOf ?? [])].flatMap((form) => [form.items ?? {}, ...(form.items?.anyOf ?? [])]);
    // What a field of a group may say for itself, the group says too.
    const ofItems = rowsIn(items).filter(({ key: own }) => !Object.hasOwn(properties, own.slice(key.length + 1)));
    return [{ key, node, isRequired: required.includes(name) }, ...rowsIn([node, ...(node.anyOf ?? [])]), ...ofItems];
  });
}

function table(page, rows) {
  const lines = rows.map(({ key, node, isRequired }) => `| \`${key}\` | ${cell(typeOf(page, node))} | ${isRequired && node.default === undefined ? '**needed**' : cell(defaultOf(node))} | ${cell(sentence(node.description ?? ''))} |`);
  return `| key | takes | default | |\n|---|---|---|---|\n${lines.join('\n')}\n`;
}

const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const code = (value) => `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;

function defaultOf({ default: value }) {
  if (value === undefined) return '';
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0 ? '' : code(value);
}

/** What a key takes, in words. */
function typeOf(page, node) {
  if (node.$ref !== undefined) return `[a condition](#condition)`;
  if (node.const !== undefined) return code(node.const);
  if (node.enum !== undefined) return node.enum.map(code).join(', ');
  const shape = node.properties !== undefined || node.oneOf !== undefined ? page.shared.get(shapeOf(node)) : undefined;
  if (shape !== undefined) return `[${shape.name}](#${shape.anchor})`;
  const forms = node.anyOf ?? node.oneOf;
  if (forms !== undefined) {
    const names = forms.flatMap((form) => form.oneOf ?? []).map(nameOf);
    const inWords = (form) => (nameOf(form) !== undefined ? 'one of the parts below' : form.enum?.every((name) => names.includes(name)) ? 'a name alone' : typeOf(page, form));
    return [...new Set(forms.map(inWords))].join(', or ');
  }
  if (Array.isArray(node.type)) return node.type.join(', ');
  if (node.type === 'array') return `a list of ${node.items === undefined ? 'values' : typeOf(page, node.items)}`;
  if (node.type === 'object') return typeof node.additionalProperties === 'object' ? `by name: ${typeOf(page, node.additionalProperties)}` : 'the keys below';
  if (node.type === 'integer' || node.type === 'number') return numbersOf(node);
  return node.type === 'boolean' ? '`true`, `false`' : node.type === 'string' ? 'text' : 'anything';
}

function numbersOf({ type, minimum, exclusiveMinimum, maximum, exclusiveMaximum }) {
  const isSaid = (limit) => limit !== undefined && Math.abs(limit) < Number.MAX_SAFE_INTEGER;
  const limits = [
    isSaid(exclusiveMinimum) ? `above ${exclusiveMinimum}` : isSaid(minimum) ? `from ${minimum}` : '',
    isSaid(exclusiveMaximum) ? `below ${exclusiveMaximum}` : isSaid(maximum) ? `to ${maximum}` : '',
  ];
  return [type === 'integer' ? 'a whole number' : 'a number', ...limits.filter((limit) => limit !== '')].join(' ');
}

function formsOf(page, node) {
  const forms = node.anyOf ?? node.oneOf ?? [node];
  return forms.map((form) => (form.properties === undefined ? `- ${typeOf(page, form)}\n` : table(page, rowsOf(page, form)))).join('\n');
}

writeFileSync(process.argv[2] ?? target, configPage(await builtSchema()));
