// Forms: submit once per click, focus the first error, and fill the demo's sign-in with a click.
const WAIT = 10_000

document.addEventListener('submit', (event) => {
  const form = event.target
  if (event.defaultPrevented || form.method === 'dialog' || form.target === '_blank') return
  if (form.dataset.sent) return event.preventDefault()
  if (form.method !== 'post' || form.matches('[hx-post]')) return
  form.dataset.sent = 'yes'
  const button = event.submitter
  button?.classList.add('is-busy')
  button?.setAttribute('aria-busy', 'true')
  setTimeout(() => release(form), WAIT)
})

function release(form) {
  delete form.dataset.sent
  for (const button of form.querySelectorAll('.is-busy')) {
    button.classList.remove('is-busy')
    button.removeAttribute('aria-busy')
  }
}

// After the back button, make the form usable again.
addEventListener('pageshow', () => document.querySelectorAll('form[data-sent]').forEach(release))

document.querySelector('[data-focus]')?.focus()

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-fill]')
  if (!button) return
  for (const [id, value] of Object.entries(JSON.parse(button.dataset.fill))) document.getElementById(id).value = value
  document.getElementById(button.dataset.then)?.focus()
})

// `data-submits` on a select: submit the form on every change.
document.addEventListener('change', (event) => {
  if (event.target.matches('[data-submits]')) event.target.form.requestSubmit()
})
