import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

/** An example on a page: its language, its text, and its heading. */
export interface CodeBlock {
  readonly language: string;
  readonly text: string;
  readonly heading: string;
}

/** Returns the examples of a Markdown page in order. */
export function codeBlocks(page: string): readonly CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let heading = '';
  for (const [, title, language, text] of page.matchAll(/^#+ (.*)$|^```(\w+)\n([^]*?)^```$/gm)) {
    if (title !== undefined) heading = title;
    else blocks.push({ language: language!, text: text!, heading });
  }
  return blocks;
}

/** Installs the package into a directory, as `npm install` would. */
export function installHere(folder: string): void {
  const root = join(import.meta.dirname, '..', '..');
  const modules = join(folder, 'node_modules');
  if (existsSync(modules)) return;
  mkdirSync(join(modules, '.bin'), { recursive: true });
  symlinkSync(root, join(modules, 'mtl-recommender'));
  symlinkSync(join(root, 'bin', 'mtl.js'), join(modules, '.bin', 'mtl'));
}
