import { defineBottom, forAllTasks } from './bottom.js';

/** No shared layers: towers read the features and share only embeddings. */
export const none = defineBottom({
  name: 'none',
  summary: 'no shared layers; only embeddings are shared',
  options: () => ({}),
  build: (_, { input, tasks }) => ({ outputs: forAllTasks(tasks, input) }),
});
