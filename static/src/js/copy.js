// Copies to the clipboard: `data-copy="text"`, or `data-copies="id"` for the text of an element.
// `data-prints` prints the page.
document.addEventListener('click', (event) => {
  if (event.target.closest('[data-prints]')) print()
})
document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy], [data-copies]')
  if (!button) return
  const source = document.getElementById(button.dataset.copies)
  const text = button.dataset.copy ?? source.value ?? source.textContent
  const label = button.querySelector('[data-label]') ?? button
  const before = label.textContent
  try {
    await navigator.clipboard.writeText(text)
    label.textContent = 'Copied'
  } catch {
    label.textContent = 'Press Ctrl+C'
    if (source) getSelection().selectAllChildren(source)
  }
  setTimeout(() => { label.textContent = before }, 2000)
})
