import '../css/lane.css'
import { codeEditor } from '../js/code-editor.js'
import { codeFile } from '../js/code-file.js'
import { autosave } from '../js/autosave.js'
import { mockRun } from '../js/mock-run.js'

const form = document.querySelector('form[data-editor]')
if (form) {
  const editor = codeEditor(form)
  const drafts = autosave(form, editor)
  mockRun(form, editor, drafts)
  codeFile(form, editor)
}
