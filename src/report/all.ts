import { configSection } from './config-section.js';
import { calibration } from './calibration.js';
import { curves } from './curves.js';
import { experts } from './experts.js';
import { funnel } from './funnel.js';
import { lift } from './lift.js';
import { ranking } from './ranking.js';
import { scores } from './scores.js';
import type { Section } from './section.js';
import { segments } from './segments.js';
import { speed } from './speed.js';
import { oovSection } from './oov-section.js';
import { warnings } from './warnings.js';

/** The sections of a report, in the order of the page. */
export const sections: readonly Section[] = [
  warnings,
  scores,
  curves,
  ranking,
  calibration,
  segments,
  lift,
  funnel,
  experts,
  oovSection,
  speed,
  configSection,
];
