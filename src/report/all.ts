import { calibration } from './calibration.js';
import { configSection } from './config-section.js';
import { curves } from './curves.js';
import { drivers } from './drivers.js';
import { experts } from './experts.js';
import { funnel } from './funnel.js';
import { liveComparison } from './live-comparison.js';
import { oovSection } from './oov-section.js';
import { ranking } from './ranking.js';
import { results } from './results.js';
import type { Section } from './section.js';
import { segments } from './segments.js';
import { speed } from './speed.js';
import { stream } from './stream.js';
import { teachers } from './teachers.js';
import { warnings } from './warnings.js';

/** The sections of a report, in the order of the page: the answer, its causes, its errors, then details. */
export const sections: readonly Section[] = [
  results,
  liveComparison,
  stream,
  drivers,
  segments,
  calibration,
  funnel,
  curves,
  ranking,
  experts,
  oovSection,
  speed,
  configSection,
  teachers,
  warnings,
];
