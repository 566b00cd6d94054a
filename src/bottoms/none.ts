import { defineBottom, forAllTasks } from './bottom.js';

/** No shared layer: towers stand on the features, of which they share the embeddings. */
export const none = defineBottom({
  name: 'none',
  summary: 'no shared layers; only embeddings are shared',
  options: () => ({}),
  build: (_, { input, tasks }) => ({ outputs: forAllTasks(tasks, input) }),
});
