// `data-unsaved` on a form: ask before leaving the page with changed fields. A script that saves them fires `weir:saved`.
const changed = new Set()

document.addEventListener('input', (event) => {
  const form = event.target.form
  if (form?.matches('[data-unsaved]')) changed.add(form)
})
document.addEventListener('submit', (event) => changed.delete(event.target))
document.addEventListener('weir:saved', (event) => changed.delete(event.target))

addEventListener('beforeunload', (event) => {
  if ([...changed].some((form) => form.isConnected)) event.preventDefault()
})
