// Dialogs: `data-opens="id"` opens one, `data-closes` closes it, and a form with `data-confirm` asks first.
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
  const text = submitter?.dataset.confirm || form.dataset.confirm
  if (!text || asked.has(form)) return asked.delete(form)
  event.preventDefault()
  event.stopImmediatePropagation()
  ask(text, submitter?.textContent.trim() || 'Continue', submitter?.classList.contains('btn-danger')).then((yes) => {
    if (!yes) return
    asked.add(form)
    form.requestSubmit(submitter)
  })
}, true)

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
