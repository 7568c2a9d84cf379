// Updates relative times while the page is open, or shows exact times if the person prefers them.
const UNITS = [['year', 31557600], ['month', 2629800], ['day', 86400], ['hour', 3600], ['minute', 60]]
const words = new Intl.RelativeTimeFormat('en-GB', { numeric: 'always' })

/** An exact time in the person's own zone, as the portal writes it; with `day` false, without its date. */
export function exact(date, day = true) {
  const style = { hour: '2-digit', minute: '2-digit', timeZoneName: 'short', ...(day ? { day: 'numeric', month: 'short', year: 'numeric' } : {}) }
  return new Intl.DateTimeFormat('en-GB', { ...style, timeZone: document.documentElement.dataset.zone }).format(date)
}

function relative(date) {
  const seconds = (date - Date.now()) / 1000
  for (const [unit, size] of UNITS) {
    if (Math.abs(seconds) >= size) return words.format(Math.trunc(seconds / size), unit)
  }
  return seconds > 0 ? 'in less than a minute' : 'just now'
}

function refresh() {
  const isExact = document.documentElement.dataset.times === 'exact'
  for (const time of document.querySelectorAll('time[data-ago]')) {
    const text = isExact ? time.title : relative(new Date(time.dateTime))
    if (time.textContent !== text) time.textContent = text
  }
}

// Shows the time elapsed since `data-since="ISO"`, or left until `data-until="ISO"`, as m:ss or h:mm:ss.
function tick() {
  for (const element of document.querySelectorAll('[data-since]')) element.textContent = clock(Date.now() - new Date(element.dataset.since))
  for (const element of document.querySelectorAll('[data-until]')) element.textContent = clock(new Date(element.dataset.until) - Date.now())
}

function clock(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000))
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)]
  const rest = String(seconds % 60).padStart(2, '0')
  return hours ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`
}

refresh()
tick()
setInterval(refresh, 20_000)
setInterval(tick, 1000)
document.addEventListener('htmx:afterSettle', () => { refresh(); tick() })
document.addEventListener('weir:times', refresh)
document.addEventListener('visibilitychange', refresh)
