import type { BoardPage } from './board-page.js';
import { overviewPage } from './overview-page.js';
import { runPage } from './run-page.js';
import { studyPage } from './study-page.js';

/** All pages of the board. */
export const boardPages: readonly BoardPage[] = [overviewPage, runPage, studyPage];
