import tseslint from 'typescript-eslint'

/** Biome does the syntactic rules; here are those that need types, and one that Biome does not know. */
export default tseslint.config({
  files: ['src/**/*.ts', 'src/**/*.tsx', 'scripts/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts'],
  languageOptions: {
    parser: tseslint.parser,
    parserOptions: {
      project: ['./tsconfig.json', './src/console/web/tsconfig.json'],
      tsconfigRootDir: import.meta.dirname,
    },
  },
  plugins: { '@typescript-eslint': tseslint.plugin },
  rules: {
    '@typescript-eslint/no-floating-promises': 'error',
    '@typescript-eslint/no-misused-promises': 'error',
    '@typescript-eslint/await-thenable': 'error',
    '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true, allowThrowingAny: false }],
    '@typescript-eslint/no-deprecated': 'error',
    '@typescript-eslint/explicit-module-boundary-types': 'error',
    '@typescript-eslint/no-explicit-any': 'error',
    '@typescript-eslint/no-non-null-assertion': 'error',
    'no-restricted-syntax': [
      'error',
      {
        selector:
          "CallExpression[callee.object.name='Promise'][callee.property.name='race'] MemberExpression[property.name=/^(poll|waitFor|waitUntil)$/]",
        message:
          'A poll that lost the race goes on, and moves the clock of the next test that has its own. Poll for either.',
      },
    ],
  },
})
