// The page for code that answers in blocks: the editor, and more lines for the numbers that main returns.
import { codeEditor } from './code-editor.js'

function renumber(lines) {
  lines.querySelectorAll('[data-output]').forEach((line, k) => {
    for (const input of line.querySelectorAll('input')) {
      input.name = input.name.replace(/\d+/, k)
      input.setAttribute('aria-label', input.getAttribute('aria-label').replace(/\d+/, k + 1))
    }
  })
}

function add(lines) {
  const all = lines.querySelectorAll('[data-output]')
  if (all.length >= Number(lines.dataset.most)) return
  const line = all[all.length - 1].cloneNode(true)
  for (const input of line.querySelectorAll('input')) {
    input.value = ''
    input.classList.remove('is-invalid')
    input.removeAttribute('aria-invalid')
    input.removeAttribute('aria-describedby')
  }
  lines.tBodies[0].append(line)
  renumber(lines)
  line.querySelector('input').focus()
}

export function codeAsk(form) {
  const editor = codeEditor(form)
  const wrong = form.querySelector('[data-wrong-line]')
  if (wrong) editor.mark([{ line: Number(wrong.dataset.wrongLine), level: 'error', text: wrong.textContent.trim() }])
  form.addEventListener('weir:mock-run', () => form.requestSubmit(form.querySelector('#try-code')))
  form.addEventListener('input', ({ target }) => {
    if (target.name === 'share' || target.name === 'epsilon') form.querySelector(`[name=goal][value=${target.name}]`).checked = true
  })
  form.addEventListener('click', (event) => {
    if (!event.target.closest('[data-add-output]')) return
    event.preventDefault()
    add(form.querySelector('[data-outputs]'))
  })
}
