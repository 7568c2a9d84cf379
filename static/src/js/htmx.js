// htmx, with handling of failed requests.
import htmx from 'htmx.org'
import { toast } from './toasts.js'

const SIGNED_OUT = [401]
const BUSY = [429, 503]

/** Go to the sign-in page after the session has ended, unless the page has unsaved text and handles it itself. */
export function leave() {
  const asks = new CustomEvent('weir:signed-out', { cancelable: true })
  if (document.dispatchEvent(asks)) location.assign(location.pathname + location.search)
}

/** Timers by element, so that each retries once at a time. */
const timers = new WeakMap()

/** Retry a request that the portal was too busy for, after its Retry-After plus a random delay. */
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
  toast(reason?.textContent.trim() || `The portal responded with error ${xhr.status}. Try again, or reload the page.`, 'danger')
})

document.addEventListener('htmx:sendError', (event) => {
  if (event.detail.elt.dataset.live) return
  toast('The portal cannot be reached. Check your connection and try again.', 'danger')
})

// After the session has ended, a fragment's URL redirects to the sign-in page: open that as a page.
document.addEventListener('htmx:beforeSwap', (event) => {
  const { xhr } = event.detail
  if (xhr.responseURL && new URL(xhr.responseURL).pathname.startsWith('/account/login')) {
    event.detail.shouldSwap = false
    leave()
  }
})

export default htmx
