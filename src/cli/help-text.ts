import { readFileSync } from 'node:fs';
import { MTL } from '../system/command-name.js';
import { COMMAND_GROUPS } from './commands/all.js';
import { TYPE_MARK } from './options.js';

/**
 * Formats the help that yargs renders: removes the empty defaults of lists, and moves the type of a number out of its
 * default. The help of mtl itself also groups the commands and ends with the URL of the documentation.
 */
export function formatHelp(text: string): string {
  const help = text
    .replaceAll(/ \[default: \[\]\]/g, '')
    .replaceAll(/\[default: (int|number)\]/g, (both, type: string) => `[${type}]`.padStart(both.length))
    .replaceAll(new RegExp(`\\[default: (int|number)${TYPE_MARK}`, 'g'), '[$1] [default: ');
  return help.startsWith(`${MTL} <command>\n`) ? `${groupCommands(help)}\nDocumentation: ${documentationUrl()}` : help;
}

/** Replaces the heading of all commands by one for each group, before its first command. */
function groupCommands(help: string): string {
  const headings = Object.entries(COMMAND_GROUPS).map(([group, [first]]) => ({ group, first: first!.name }));
  return headings
    .reduce((text, { group, first }) => text.replace(`\n  ${MTL} ${first} `, `\n\n${group}:$&`), help)
    .replace('\nCommands:\n\n', '\n');
}

/** Returns the URL of the documentation of this version. */
function documentationUrl(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { homepage, version } = JSON.parse(text) as { readonly homepage: string; readonly version: string };
  return `${homepage.replace(/#.*/, '')}/tree/v${version}/docs`;
}
