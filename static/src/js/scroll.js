// Makes tables that scroll sideways reachable by keyboard.
const boxes = () => document.querySelectorAll('.table-responsive')
const watched = new WeakSet()

function mark(box) {
  const scrolls = box.scrollWidth > box.clientWidth
  if (!scrolls) return ['tabindex', 'role', 'aria-label'].forEach((name) => box.removeAttribute(name))
  box.tabIndex = 0
  box.setAttribute('role', 'region')
  box.setAttribute('aria-label', box.querySelector('caption')?.textContent.trim() || 'Table')
}

const observer = new ResizeObserver((entries) => entries.forEach((entry) => mark(entry.target)))

function watch() {
  for (const box of boxes()) {
    if (watched.has(box)) continue
    watched.add(box)
    observer.observe(box)
  }
}

watch()
document.addEventListener('htmx:afterSettle', watch)
