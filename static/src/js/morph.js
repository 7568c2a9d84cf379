// Puts the new version of a live part into the old one, so that focus, scroll positions, open details and typed text survive.
import { Idiomorph } from 'idiomorph'
import htmx from './htmx.js'

const SCROLLS = ['tabindex', 'role', 'aria-label'] // set by scroll.js
const FIELDS = 'input:not([type=hidden]), textarea, select'

/** Whether somebody has changed a field since the portal wrote it. */
function isEdited(field) {
  if (field.matches('select')) return field.selectedIndex !== Math.max(0, [...field.options].findIndex((one) => one.defaultSelected))
  if (field.matches('[type=checkbox], [type=radio]')) return field.checked !== field.defaultChecked
  return field.value !== field.defaultValue
}

const isKept = (node) => node.matches(FIELDS) && (node === document.activeElement || isEdited(node))

function isOurs(name, element) {
  if (name === 'open') return element.matches('details, dialog')
  return SCROLLS.includes(name) && element.matches('.table-responsive')
}

// What a slot has loaded stays in it, unless the new version wants it to load something else.
const isLoaded = (old, fresh) => old.matches('[hx-trigger=load]') && old.getAttribute('hx-get') === fresh.getAttribute('hx-get')

/** Names forms and links by where they lead: a row that moves takes the focus with it, not the row that takes its place. */
function named(root) {
  const taken = new Set()
  for (const each of root.querySelectorAll('form[action], a[href]')) {
    const id = `to:${each.getAttribute('action') ?? each.getAttribute('href')}`
    if (!each.id && !taken.has(id)) each.id = id
    taken.add(id)
  }
}

htmx.defineExtension('morph', {
  isInlineSwap: (style) => style === 'morph',
  handleSwap(style, target, fragment) {
    if (style !== 'morph') return false
    named(target)
    named(fragment)
    return Idiomorph.morph(target, fragment.children, {
      morphStyle: 'outerHTML',
      callbacks: {
        beforeNodeMorphed: (old, fresh) => !(old.nodeType === Node.ELEMENT_NODE && (isKept(old) || isLoaded(old, fresh))),
        beforeAttributeUpdated: (name, element) => !isOurs(name, element)
      }
    })
  }
})
