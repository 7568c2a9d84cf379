// Line numbers open a comment form below the line. Arrow keys move between them; Tab stops at one only.
import htmx from './htmx.js'

const table = document.querySelector('[data-code]')
const links = () => [...table.querySelectorAll('a[data-line]')]

if (table) {
  links().forEach((link, at) => { link.tabIndex = at ? -1 : 0 })
  table.addEventListener('click', (event) => {
    const link = event.target.closest('a[data-line]')
    if (link && !event.ctrlKey && !event.metaKey) { event.preventDefault(); open(link) }
    const cancel = event.target.closest('[data-cancel-comment]')
    if (cancel) { event.preventDefault(); close(cancel.closest('[data-threads]')) }
  })
  table.addEventListener('keydown', (event) => {
    const row = event.target.closest('[data-threads]')
    if (event.key === 'Escape' && row) return close(row)
    if (!event.target.matches('a[data-line]')) return
    const all = links()
    const at = all.indexOf(event.target)
    const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1, PageDown: at + 20, PageUp: at - 20 }[event.key]
    if (next === undefined) return
    event.preventDefault()
    focus(all[Math.min(Math.max(next, 0), all.length - 1)])
  })
  // A line that was chosen before this script ran is a link: the page comes back with the form in it. The browser takes
  // the focus away when it scrolls to the line, which it does once the page is loaded.
  if (new URLSearchParams(location.search).has('comment')) {
    addEventListener('load', () => setTimeout(() => {
      if (document.activeElement === document.body) table.querySelector('.comment-form textarea')?.focus({ preventScroll: true })
    }))
  }
}

function focus(link) {
  links().forEach((other) => { other.tabIndex = -1 })
  link.tabIndex = 0
  link.focus()
}

function rowOf(link) {
  const row = link.closest('tr')
  const next = row.nextElementSibling
  return { row, threads: next?.matches('[data-threads]') ? next : null }
}

async function open(link) {
  focus(link)
  const { row, threads } = rowOf(link)
  const field = threads?.querySelector('.comment-form textarea')
  if (field) return field.focus()
  const url = `${table.dataset.commentUrl}${location.search}${location.search ? '&' : '?'}line=${link.dataset.line}`
  await htmx.ajax('GET', url, threads ? { source: row, target: threads, swap: 'outerHTML' } : { source: row, target: row, swap: 'afterend' })
  rowOf(link).threads?.querySelector('.comment-form textarea')?.focus()
}

function close(row) {
  if (!row) return
  const link = row.previousElementSibling.querySelector('a[data-line]')
  if (row.querySelector('.thread')) row.querySelector('.comment-form')?.remove()
  else row.remove()
  link?.focus()
}

// Ctrl+Enter sends what is being written.
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey) || !event.target.matches('[data-threads] textarea')) return
  event.preventDefault()
  event.target.form.requestSubmit()
})

// Update the number of comments that are held until the verdict.
document.addEventListener('htmx:afterSettle', () => {
  const count = document.getElementById('held-count')
  if (!count) return
  const held = document.querySelectorAll('[data-held]').length
  count.textContent = held ? `${held} of your comments ${held === 1 ? 'is' : 'are'} sent with it.` : ''
})
