// The alert above the editor, and helpers for saving.
/** Return whether a saved field equals the form's. JSON is compared by value, text apart from line endings. */
export function same(name, one, other) {
  if (name !== 'parameters') return one.replaceAll('\r\n', '\n') === other
  const plain = (text) => { try { return JSON.stringify(JSON.parse(text || '{}')) } catch { return text } }
  return plain(one) === plain(other)
}

/** Return the current CSRF token from the cookie: signing in again in another tab changes it. */
export function token() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? document.querySelector('[name=csrfmiddlewaretoken]').value
}

/** Show what happened to the draft above the editor, with a button for each choice. */
export function warn(title, text, choices) {
  const alert = document.getElementById('draft-alert')
  alert.querySelector('[data-title]').textContent = title
  alert.querySelector('[data-text]').textContent = text
  alert.querySelector('[data-choices]').replaceChildren(...choices.map(([label, act]) => {
    const button = document.createElement('button')
    button.type = 'button'
    button.className = 'btn btn-sm btn-secondary'
    button.textContent = label
    button.addEventListener('click', act)
    return button
  }))
  alert.classList.remove('d-none')
  alert.scrollIntoView({ block: 'nearest' })
}
