// The question form and its SQL: show the fields of the chosen measure, add and remove conditions, track which side was
// edited last.
import htmx from './htmx.js'

const own = (form, name) => form.elements.namedItem(name)

function fit(form) {
  const measure = own(form, 'measure').value
  for (const part of form.querySelectorAll('[data-for]')) part.hidden = !part.dataset.for.split(' ').includes(measure)
  for (const line of form.querySelectorAll('[data-line]')) fitLine(line)
  fitModel(form)
  const error = form.querySelector('[name=goal][value=error]')
  if (error.checked && error.closest('[data-for]').hidden) form.querySelector('[name=goal][value=epsilon]').checked = true
}

// Which value of a column is predicted, and in how many parts, only matters where it is asked.
function fitModel(form) {
  const [how, column] = own(form, 'outcome').value.split(/:(.*)/s)
  form.querySelector('[data-value]').hidden = how !== 'is'
  if (how === 'is') own(form, 'value').setAttribute('list', `values-${column}`)
  form.querySelector('[data-parts]').hidden = own(form, 'shape').value !== 'parts'
}

function fitLine(line) {
  const [column, op] = line.querySelectorAll('select')
  const value = line.querySelector('input')
  const isKey = Boolean(column.selectedOptions[0]?.dataset.key)
  for (const option of op.options) {
    option.hidden = option.disabled = isKey ? /^[<>]|between/.test(option.value) : option.value === 'in'
  }
  if (op.selectedOptions[0]?.disabled) op.value = 'is'
  value.hidden = ['missing', 'present'].includes(op.value)
  if (isKey) value.setAttribute('list', `values-${column.value}`)
  else value.removeAttribute('list')
  line.classList.toggle('is-blank', !column.value)
}

function renumber(lines) {
  lines.querySelectorAll('[data-line]').forEach((line, k) => {
    for (const part of line.querySelectorAll('[name]')) part.name = part.name.replace(/\d+/, k)
    for (const part of line.querySelectorAll('[aria-label]')) part.setAttribute('aria-label', part.getAttribute('aria-label').replace(/\d+/, k + 1))
  })
}

function add(lines) {
  const all = lines.querySelectorAll('[data-line]')
  if (all.length >= Number(lines.dataset.most)) return
  const line = all[all.length - 1].cloneNode(true)
  line.querySelectorAll('select').forEach((select) => { select.selectedIndex = 0 })
  line.querySelector('input').value = ''
  all[all.length - 1].after(line)
  renumber(lines)
  fitLine(line)
  line.querySelector('select').focus()
}

function remove(form, lines, line) {
  if (lines.querySelectorAll('[data-line]').length > 1) line.remove()
  else line.querySelector('select').selectedIndex = 0
  renumber(lines)
  fit(form)
  own(form, 'source').value = 'form'
  lines.querySelector('select').focus()
  htmx.trigger(form.querySelector('.ask-main'), 'priced')
}

/** After a proposal is applied, move the focus to the price: the button that had it is gone. */
function stay(form) {
  if (!('applied' in form.dataset)) return
  delete form.dataset.applied
  form.querySelector('#price-title')?.focus()
}

export function ask(form) {
  form.addEventListener('input', ({ target }) => {
    if (['error', 'epsilon', 'share'].includes(target.name)) form.querySelector(`[name=goal][value=${target.name}]`).checked = true
    else if (target.name !== 'goal') own(form, 'source').value = target.name === 'sql' ? 'sql' : 'form'
    fit(form)
    // The price shown is out of date: nothing can be spent until it is updated.
    form.querySelector('#price button[value=ask]')?.setAttribute('disabled', '')
  }, true)
  form.addEventListener('click', (event) => {
    const lines = form.querySelector('[data-lines]')
    if (event.target.closest('[data-add]')) {
      event.preventDefault()
      add(lines)
    }
    if (event.target.closest('[name=apply]')) form.dataset.applied = ''
    const button = event.target.closest('[data-remove]')
    if (button) remove(form, lines, button.closest('[data-line]'))
  })
  // A late response must not overwrite a field that is being edited.
  document.addEventListener('htmx:oobBeforeSwap', (event) => {
    if (event.detail.target.contains(document.activeElement)) event.preventDefault()
  })
  document.addEventListener('htmx:afterSettle', () => {
    fit(form)
    stay(form)
  })
  document.addEventListener('htmx:oobAfterSwap', () => fit(form))
  fit(form)
  stay(form)
}
