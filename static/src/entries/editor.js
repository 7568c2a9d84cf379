import '../css/lane.css'
import { codeEditor } from '../js/code-editor.js'
import { autosave } from '../js/autosave.js'
import { tryOut } from '../js/try-out.js'

const form = document.querySelector('form[data-editor]')
if (form) {
  const editor = codeEditor(form)
  const drafts = autosave(form, editor)
  tryOut(form, editor, drafts)
}
