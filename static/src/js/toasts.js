// Short messages in the corner, announced by screen readers. Errors stay until dismissed.
const SECONDS = 8

export function toast(text, tone = 'info') {
  const box = document.createElement('div')
  box.className = `alert alert-${tone}`
  const words = document.createElement('div')
  words.textContent = text
  const close = document.createElement('button')
  close.type = 'button'
  close.className = 'btn-quiet'
  close.setAttribute('aria-label', 'Dismiss')
  close.textContent = '×'
  close.addEventListener('click', () => box.remove())
  box.append(words, close)
  document.getElementById('toasts').append(box)
  if (tone !== 'danger') setTimeout(() => box.remove(), SECONDS * 1000)
}

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-dismiss]')
  if (button) button.closest('.alert').remove()
})
