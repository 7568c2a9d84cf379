// Dialogs: `data-opens="id"` opens one, `data-closes` closes it, and a form with `{% confirms %}` asks before it is sent.
import { toast } from './toasts.js'

const asked = new WeakSet()

document.addEventListener('click', (event) => {
  const opener = event.target.closest('[data-opens]')
  if (opener) document.getElementById(opener.dataset.opens).showModal()
  const closer = event.target.closest('[data-closes]')
  if (closer) closer.closest('dialog').close()
  if (event.target.nodeName === 'DIALOG' && isOutside(event)) event.target.close()
})

function isOutside(event) {
  const box = event.target.getBoundingClientRect()
  const inside = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom
  return !inside
}

document.addEventListener('submit', (event) => {
  const form = event.target
  const submitter = event.submitter
  const text = question(form, submitter)
  if (!text || asked.has(form)) return asked.delete(form)
  event.preventDefault()
  event.stopImmediatePropagation()
  ask(text, submitter?.textContent.trim() || 'Continue', submitter?.classList.contains('btn-danger')).then((yes) => {
    if (!yes) return
    if (!form.isConnected) return toast('The page has changed in the meantime. Check it and try again.', 'warning')
    asked.add(form)
    given(form)
    form.requestSubmit(submitter)
  })
}, true)

// Return the confirmation text of the form, or of the button that submits it.
function question(form, submitter) {
  const hidden = form.querySelectorAll('input[type=hidden][name^="confirm-text"]')
  const button = `confirm-text:${submitter?.name}=${submitter?.value}`
  return [...hidden].find(({ name }) => name === 'confirm-text' || name === button)?.value
}

// Without scripts the portal confirms on a separate page. This field says that it was confirmed here.
function given(form) {
  if (form.elements.namedItem('confirm-given')) return
  const field = Object.assign(document.createElement('input'), { type: 'hidden', name: 'confirm-given', value: 'yes' })
  form.append(field)
}

function ask(text, label, dangerous) {
  const dialog = document.getElementById('confirm')
  const yes = dialog.querySelector('[data-yes]')
  dialog.querySelector('[data-text]').textContent = text
  yes.textContent = label
  yes.className = `btn ${dangerous ? 'btn-danger' : 'btn-primary'}`
  dialog.returnValue = ''
  dialog.showModal()
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true })
  })
}

// A dialog whose form came back with errors opens again.
for (const dialog of document.querySelectorAll('dialog[data-open]')) dialog.showModal()
