import { statSync } from 'node:fs';
import { join } from 'node:path';
import { STUDIES } from '../runs/run-folder.js';
import { refusal } from '../serve/refusal.js';
import { JOURNAL } from '../study/journal.js';
import { readLeaderboard } from '../study/leaderboard.js';
import { drawStudy } from '../study/page.js';
import type { BoardPage } from './board-page.js';
import { listStudies } from './links.js';
import type { RunWatch } from './run-watch.js';

/** The page of a study. */
export const studyPage: BoardPage = {
  path: '/study',
  open(watch, query) {
    const name = query.get('study') ?? '';
    if (!listStudies(watch).includes(name))
      throw refusal(404, { where: '?study', message: `no study '${name}'`, fix: 'the first page lists all studies' });
    return {
      version: studyVersion(watch, name),
      draw: async () => {
        const { study, board } = await readLeaderboard(join(watch.root, STUDIES, name));
        return drawStudy(study, board);
      },
    };
  },
};

/** Returns a text that differs if a study has new entries. */
export function studyVersion({ root }: Pick<RunWatch, 'root'>, name: string): string {
  return `${name}@${statSync(join(root, STUDIES, name, JOURNAL), { throwIfNoEntry: false })?.mtimeMs ?? 0}`;
}
