// Replaces the code's textarea with CodeMirror. The textarea still holds the text for the form, and is used without scripts.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands'
import { python } from '@codemirror/lang-python'
import { bracketMatching, HighlightStyle, indentOnInput, indentUnit, syntaxHighlighting } from '@codemirror/language'
import { lintGutter, lintKeymap, setDiagnostics } from '@codemirror/lint'
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search'
import { EditorState } from '@codemirror/state'
import {
  drawSelection, EditorView, highlightActiveLine, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers
} from '@codemirror/view'
import { tags } from '@lezer/highlight'
import { completions } from './code-words.js'

// Colours use the variables of the review page, so that code looks the same everywhere.
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.controlKeyword], color: 'var(--code-keyword)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--code-string)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--code-number)' },
  { tag: [tags.comment, tags.docString], color: 'var(--code-comment)', fontStyle: 'italic' },
  { tag: [tags.function(tags.variableName), tags.definition(tags.function(tags.variableName)), tags.className], color: 'var(--code-name)' },
  { tag: tags.meta, color: 'var(--code-number)' }
])

const theme = EditorView.theme({
  '&': { backgroundColor: 'var(--tblr-bg-surface)', color: 'var(--tblr-body-color)', fontSize: '0.8125rem' },
  '&.cm-focused': { outline: '2px solid var(--weir-ring)', outlineOffset: '-2px' },
  '.cm-scroller': { fontFamily: 'var(--tblr-font-monospace)', lineHeight: '1.55', maxHeight: '70vh' },
  '.cm-content, .cm-gutter': { minHeight: '22rem' },
  '.cm-gutters': { backgroundColor: 'var(--tblr-bg-surface-secondary)', color: 'var(--tblr-secondary)', border: '0' },
  '.cm-activeLineGutter, .cm-activeLine': { backgroundColor: 'var(--tblr-hover-bg)' },
  '.cm-cursor': { borderLeftColor: 'var(--tblr-body-color)' },
  '.cm-selectionBackground, &.cm-focused .cm-selectionBackground': { backgroundColor: 'var(--code-selection) !important' },
  '.cm-panels, .cm-tooltip': { backgroundColor: 'var(--tblr-bg-surface)', color: 'var(--tblr-body-color)', borderColor: 'var(--tblr-border-color)' },
  '.cm-textfield': { backgroundColor: 'var(--tblr-bg-forms)', color: 'inherit', borderColor: 'var(--tblr-border-color)' },
  '.cm-button': { backgroundImage: 'none', backgroundColor: 'var(--tblr-bg-surface-secondary)', color: 'inherit' }
})

const SEVERITY = { error: 'error', warning: 'warning' }

export function codeEditor(form) {
  const area = form.querySelector('#id_code')
  const label = form.querySelector('label[for="id_code"]')
  label.id = 'code-label'
  const view = new EditorView({
    state: EditorState.create({
      doc: area.value,
      extensions: [
        EditorView.cspNonce.of(form.dataset.nonce),
        lineNumbers(), highlightActiveLineGutter(), highlightSpecialChars(), history(), drawSelection(),
        EditorState.allowMultipleSelections.of(true), indentOnInput(), indentUnit.of('    '), bracketMatching(),
        closeBrackets(), highlightActiveLine(), highlightSelectionMatches(), python(), lintGutter(),
        autocompletion({ override: completions(form) }),
        syntaxHighlighting(colours), theme,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ 'aria-labelledby': 'code-label', spellcheck: 'false', autocapitalize: 'off' }),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return
          area.value = view.state.doc.toString()
          area.dispatchEvent(new Event('input', { bubbles: true }))
        }),
        keymap.of([
          { key: 'Mod-Enter', run: () => { form.dispatchEvent(new CustomEvent('weir:mock-run')); return true } },
          ...closeBracketsKeymap, ...defaultKeymap, ...searchKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap,
          indentWithTab
        ])
      ]
    })
  })
  area.hidden = true
  area.after(view.dom)

  return {
    /** Mark the findings at their lines. */
    mark(findings) {
      const marks = findings.filter(({ line }) => line >= 1 && line <= view.state.doc.lines).map(({ line, level, text }) => {
        const { from, to } = view.state.doc.line(line)
        return { from, to, severity: SEVERITY[level] ?? 'info', message: text }
      })
      view.dispatch(setDiagnostics(view.state, marks))
    },
    /** Replace the whole text in one step that can be undone. */
    write(text) {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } })
    },
    goTo(line) {
      const { from } = view.state.doc.line(Math.min(Math.max(1, line), view.state.doc.lines))
      view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: 'center' }) })
      view.focus()
    }
  }
}
