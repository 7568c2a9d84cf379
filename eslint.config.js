import js from '@eslint/js'
import globals from 'globals'

const HTML = ['innerHTML', 'outerHTML', 'insertAdjacentHTML']
const message = 'Build elements, clone a template, or let htmx swap what the server has escaped.'

export default [
  { ignores: ['static/build/', '.environments/', '.venv/', 'var/', 'test-results/'] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error', reportUnusedInlineConfigs: 'error' },
    rules: {
      complexity: ['error', 10],
      curly: ['error', 'multi-line'],
      eqeqeq: 'error',
      'max-lines': ['error', 400],
      'no-alert': 'error',
      'no-console': 'error',
      'no-implicit-globals': 'error',
      'no-param-reassign': 'error',
      'no-restricted-properties': ['error', ...HTML.map((property) => ({ property, message }))],
      'no-shadow': 'error',
      'no-throw-literal': 'error',
      'no-unmodified-loop-condition': 'error',
      'no-use-before-define': ['error', { functions: false, variables: false }],
      'no-var': 'error',
      'no-eval': 'error',
      'no-implied-eval': 'error',
      'no-new-func': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
      'prefer-template': 'error'
    }
  },
  { files: ['static/src/**/*.js'], languageOptions: { globals: globals.browser } },
  { files: ['static/src/public/*.js'], languageOptions: { sourceType: 'script' } },
  { files: ['*.config.js'], languageOptions: { globals: globals.node } }
]
