import js from '@eslint/js';
import hooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

const feature = 'a feature does not import another: move what both need to components/ or api/';
const noFeatures = { regex: '(^@/features/)|(/features/)', message: feature };

export default tseslint.config(
  { ignores: ['dist/**', 'src/api/schema.d.ts', 'e2e/results/**'] },
  js.configs.recommended,
  ...tseslint.configs.strictTypeChecked,
  hooks.configs.flat['recommended-latest'],
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js', 'scripts/*.mjs'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      'max-lines': ['error', { max: 400 }],
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: 'text is rendered as text' },
      ],
    },
  },
  // What Playwright calls `use` is no hook.
  { files: ['e2e/**'], rules: { 'react-hooks/rules-of-hooks': 'off' } },
  { files: ['eslint.config.js', 'scripts/**'], ...tseslint.configs.disableTypeChecked },
  { files: ['scripts/**'], languageOptions: { globals: { process: 'readonly', console: 'readonly' } }, rules: { 'no-console': 'off' } },
  {
    files: ['src/components/**', 'src/api/**'],
    rules: { 'no-restricted-imports': ['error', { patterns: [noFeatures, { regex: '^@/app/', message: 'app/ is above this folder' }] }] },
  },
  {
    files: ['src/features/*/*'],
    rules: { 'no-restricted-imports': ['error', { patterns: [noFeatures, { regex: '^\\.\\./', message: feature }] }] },
  },
  {
    files: ['src/features/*/*/**'],
    rules: { 'no-restricted-imports': ['error', { patterns: [noFeatures, { regex: '^\\.\\./\\.\\./', message: feature }] }] },
  },
);
