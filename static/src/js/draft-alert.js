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

/** Show at each field why the portal does not accept it, or that it does; true if there is one that it does not. */
export function showErrors(form, names, errors) {
  for (const name of names) {
    const field = form.elements[name]
    const id = `${field.id}-live-error`
    let note = document.getElementById(id)
    if (!note) {
      note = document.createElement('p')
      note.id = id
      note.className = 'field-error'
      note.hidden = true
      field.before(note)
    }
    note.textContent = errors[name] ?? ''
    note.hidden = !errors[name]
    field.closest('.field')?.classList.toggle('is-wrong', Boolean(errors[name]))
    if (errors[name]) field.setAttribute('aria-invalid', 'true')
    else field.removeAttribute('aria-invalid')
    if (errors[name]) field.setAttribute('aria-errormessage', id)
    else field.removeAttribute('aria-errormessage')
  }
  return names.some((name) => errors[name])
}

/** Lead to the first field that the portal does not accept. */
export function toWrongField(form) {
  const field = form.querySelector('[aria-invalid]')
  field?.focus()
  field?.scrollIntoView({ block: 'center' })
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
