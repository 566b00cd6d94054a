// npm run test:tensorflow: the tests of the tfjs engine once more, on TensorFlow itself, through a binding that is made
// as mtl setup cuda makes
// it. It is kept in the user's cache; where it cannot be made, this says why and is done.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeBinding, missingTools, readBinding } from '../../dist/engines/tfjs/binding.js';
import { NATIVE_PACKAGE } from '../../dist/engines/tfjs/probe.js';
import { userCache } from '../../dist/system/user-cache.js';

const SOURCE = { requirement: 'tensorflow-cpu' };

/** Why the binding cannot be made; undefined where it is there or can. */
function obstacle(folder) {
  if (readBinding(folder) !== undefined) return undefined;
  const [missing] = missingTools(SOURCE);
  if (missing !== undefined) return missing.message;
  const answers = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;
  if (!answers('npm', 'view', NATIVE_PACKAGE, 'version')) return 'npm reaches no registry';
  if (!answers(process.env.MTL_PYTHON ?? 'python3', '-m', 'pip', 'index', 'versions', SOURCE.requirement))
    return 'pip reaches no index that has TensorFlow';
  return undefined;
}

const cache = userCache();
const folder = cache && join(cache, 'mtl', 'tensorflow', 'tests');
const reason = folder === undefined ? 'this user has no home to keep a binding in' : obstacle(folder);
if (reason !== undefined) {
  console.log(`test:tensorflow: skipped: ${reason}`);
} else {
  makeBinding(folder, SOURCE, (step) => console.error(step));
  const config = fileURLToPath(new URL('vitest.config.ts', import.meta.url));
  const { status } = spawnSync('npx', ['vitest', 'run', '--config', config, ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, MTL_TENSORFLOW: folder },
  });
  process.exitCode = status ?? 1;
}
