import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: ['dist/', '**/*.d.ts', '.dist-*/', 'coverage/', 'runs/', '**/*.js', '**/*.cjs', 'vitest.config.ts'],
  },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // The bug of streaming code.
      '@typescript-eslint/no-floating-promises': 'error',
      // Indices of typed arrays are known to be in range; the checker cannot know it.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Numbers are what our messages are made of.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // Our objects are closures: no method looks at `this`.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/explicit-module-boundary-types': 'off',
      '@typescript-eslint/no-confusing-void-expression': 'off',
    },
  },
  {
    files: ['src/**/*.ts', 'test/**/*.ts', 'bench/**/*.ts'],
    // Written by the build.
    ignores: ['src/engines/compile/kernel-signatures.ts'],
    // Prettier breaks no strings. A broken regular expression would be harder to read than a long one.
    rules: { 'max-len': ['error', { code: 120, ignoreUrls: true, ignoreRegExpLiterals: true }] },
  },
);
