// What is replaced takes the focus with it: it goes to a field with an error, to the line, or to the form beside it.
const PARTS = '[data-threads], #try-panel, #try-run'
let left = null

const nameOf = (part) => part.dataset.line ? `[data-threads][data-line="${part.dataset.line}"]` : `#${part.id}`
const lineOf = (part) => part.dataset.line && part.previousElementSibling?.querySelector('a[data-line]')

function placeIn(part) {
  const form = part.closest('#try-panel') || part
  return lineOf(part) || form.querySelector('textarea, summary, button')
}

document.addEventListener('htmx:beforeSwap', ({ detail: { target } }) => {
  const part = target.closest('[data-threads]') || target
  if (part.matches(PARTS) && part.contains(document.activeElement)) left = nameOf(part)
})
document.addEventListener('htmx:afterSettle', () => {
  const part = left && document.querySelector(left)
  left = null
  if (!part) return
  const wrong = part.querySelector('.field-error ~ textarea')
  if (wrong) return wrong.focus()
  if (document.activeElement === document.body) placeIn(part)?.focus({ preventScroll: true })
})
