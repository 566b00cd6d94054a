import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

/** An example on a page: its language, its text, and the heading that it stands under. */
export interface CodeBlock {
  readonly language: string;
  readonly text: string;
  readonly heading: string;
}

/** The examples of a page in Markdown, in their order. */
export function codeBlocks(page: string): readonly CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let heading = '';
  for (const [, title, language, text] of page.matchAll(/^#+ (.*)$|^```(\w+)\n([^]*?)^```$/gm)) {
    if (title !== undefined) heading = title;
    else blocks.push({ language: language!, text: text!, heading });
  }
  return blocks;
}

/** Makes a folder into one where the package is installed, as `npm install` would leave it. */
export function installHere(folder: string): void {
  const root = join(import.meta.dirname, '..', '..');
  const modules = join(folder, 'node_modules');
  if (existsSync(modules)) return;
  mkdirSync(join(modules, '.bin'), { recursive: true });
  symlinkSync(root, join(modules, 'mtl'));
  symlinkSync(join(root, 'bin', 'mtl.js'), join(modules, '.bin', 'mtl'));
}
