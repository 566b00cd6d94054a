import { defineBottom, forAllTasks } from './bottom.js';

/** No shared layer: towers stand on the features, of which they share the embeddings. */
export const none = defineBottom({
  name: 'none',
  summary: 'nothing is shared but the embeddings',
  options: () => ({}),
  build: (_, { input, tasks }) => ({ outputs: forAllTasks(tasks, input) }),
});
