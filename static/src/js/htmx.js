// htmx, and what happens when a fragment cannot be had.
import htmx from 'htmx.org'
import { toast } from './toasts.js'

const SIGNED_OUT = [401]
const BUSY = [429, 503]

/** The session has ended: lead to the sign-in, unless the page has something to keep and says so itself. */
export function leave() {
  const asks = new CustomEvent('weir:signed-out', { cancelable: true })
  if (document.dispatchEvent(asks)) location.assign(location.pathname + location.search)
}

/** Which elements ask again later: each once, however often it was told to. */
const timers = new WeakMap()

/** The portal has too much to do: ask again when it said so, not all at the same moment. */
function again({ elt, requestConfig }, seconds, reason) {
  if (elt.matches('.preview-slot') && reason) {
    const text = document.createElement('p')
    text.className = 'p-3 m-0 text-secondary'
    text.textContent = `${reason} The page tries again by itself.`
    elt.replaceChildren(text)
  }
  clearTimeout(timers.get(elt))
  const ask = () => elt.isConnected && htmx.ajax('GET', requestConfig.path, { source: elt })
  timers.set(elt, setTimeout(ask, seconds * 1000 * (1 + Math.random())))
}

document.addEventListener('htmx:responseError', (event) => {
  const { xhr, elt, requestConfig } = event.detail
  if (SIGNED_OUT.includes(xhr.status)) return leave()
  if (elt.dataset.live && xhr.status === 404) return elt.remove()
  const reason = new DOMParser().parseFromString(xhr.responseText, 'text/html').querySelector('[data-reason]')
  const seconds = Number(xhr.getResponseHeader('Retry-After'))
  if (BUSY.includes(xhr.status) && seconds && requestConfig.verb === 'get') {
    return again(event.detail, seconds, reason?.textContent.trim())
  }
  toast(reason?.textContent.trim() || `The portal answered ${xhr.status}. Try again, or reload the page.`, 'danger')
})

document.addEventListener('htmx:sendError', (event) => {
  if (event.detail.elt.dataset.live) return
  toast('The portal cannot be reached. Check your connection and try again.', 'danger')
})

// After the session has ended a fragment's address answers with the sign-in page: show it as a page.
document.addEventListener('htmx:beforeSwap', (event) => {
  const { xhr } = event.detail
  if (xhr.responseURL && new URL(xhr.responseURL).pathname.startsWith('/account/login')) {
    event.detail.shouldSwap = false
    leave()
  }
})

export default htmx
