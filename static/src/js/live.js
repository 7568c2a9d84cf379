// A websocket announces *that* an object changed; the page then fetches its own fragment again. Without a socket it polls.
import htmx, { leave } from './htmx.js'

const DEBOUNCE = 150
const POLL = 5000
const RETRY = [500, 1000, 2000, 5000, 10_000]
const timers = new Map()
let socket = null
let failures = 0

const elements = () => [...document.querySelectorAll('[data-live]')]
const keys = () => [...new Set(elements().flatMap((element) => element.dataset.live.split(' ')))]
const isOpen = () => socket?.readyState === WebSocket.OPEN

function refresh(element) {
  if (!element.isConnected) return
  if (document.querySelector('dialog[open]')) return later(element, 1000)
  htmx.trigger(element, 'changed')
}

function later(element, wait = DEBOUNCE) {
  clearTimeout(timers.get(element))
  timers.set(element, setTimeout(() => { timers.delete(element); refresh(element) }, wait))
}

function watch() {
  if (isOpen() && keys().length) socket.send(JSON.stringify({ watch: keys(), age: performance.now() / 1000 }))
}

function connect() {
  if (!keys().length || socket) return
  socket = new WebSocket(`${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws/live/`)
  socket.addEventListener('open', () => {
    if (failures) elements().forEach((element) => later(element))
    failures = 0
    document.documentElement.dataset.socket = 'open'
    watch()
  })
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(data)
    if (message.ended) return leaveIfSignedOut()
    elements().filter((element) => element.dataset.live.split(' ').includes(message.changed)).forEach((element) => later(element))
  })
  socket.addEventListener('close', () => {
    socket = null
    document.documentElement.dataset.socket = 'closed'
    setTimeout(connect, RETRY[Math.min(failures++, RETRY.length - 1)])
  })
}

// Sessions of this person have ended, but perhaps not this one (which changed the password): check before leaving.
async function leaveIfSignedOut() {
  const answer = await fetch(document.getElementById('unread').getAttribute('hx-get'), { redirect: 'manual' })
  if (answer.type === 'opaqueredirect') leave()
}

function poll() {
  if (document.visibilityState === 'visible' && !isOpen()) elements().forEach(refresh)
}

let watched = ''
document.addEventListener('htmx:afterSettle', () => {
  const now = keys().join(' ')
  if (now === watched) return
  watched = now
  connect()
  watch()
})
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible') elements().forEach((element) => later(element))
})
addEventListener('pageshow', (event) => {
  if (event.persisted) elements().forEach((element) => later(element))
})

watched = keys().join(' ')
connect()
setInterval(poll, POLL)
