// What the editor says of its draft, and the small things that saving needs.
/** Whether the portal has what the form says; JSON is compared by what it means. */
export function same(name, one, other) {
  if (name !== 'parameters') return one.replaceAll('\r\n', '\n') === other
  const plain = (text) => { try { return JSON.stringify(JSON.parse(text || '{}')) } catch { return text } }
  return plain(one) === plain(other)
}

/** The token as the cookie has it now: signing in again in another tab changes it. */
export function token() {
  return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] ?? document.querySelector('[name=csrfmiddlewaretoken]').value
}

/** Say above the editor what became of the draft, with buttons for what one may do. */
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
