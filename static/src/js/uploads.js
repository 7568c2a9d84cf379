// Uploads files one after the other in chunks. Each resumes at the offset that the server reports.
import htmx from './htmx.js'

const TRIES = [1000, 2000, 5000, 10_000, 20_000]
const BUSY = 429
const wait = (time) => new Promise((resolve) => { setTimeout(resolve, time) })

class Refusal extends Error {}

export function uploads(drop) {
  const input = drop.querySelector('input[type=file]')
  const list = document.querySelector('[data-upload-list]')
  const queue = []
  let busy = false

  const call = async (url, options = {}) => {
    const headers = { 'X-CSRFToken': drop.dataset.token, Accept: 'application/json', ...options.headers }
    const response = await fetch(url, { ...options, headers })
    if (response.redirected) throw new Refusal('Your session has ended. Sign in again and choose the file again: the upload resumes where it stopped.')
    if (response.status === 409 && options.method === 'PATCH') return response
    if (response.status >= 400 && response.status < 500 && response.status !== BUSY) throw new Refusal((await response.json().catch(() => ({}))).detail || 'The portal refused this file.')
    if (!response.ok) throw new Error(response.statusText)
    return response
  }

  /** Return an interrupted upload of the same file, or create one. */
  async function announce(file) {
    const rows = [...document.querySelectorAll('.upload-row[data-state="receiving"]')]
    const same = rows.find((row) => row.dataset.file === file.name && Number(row.dataset.size) === file.size)
    if (same) return { url: same.dataset.uploadUrl, chunk: 4 * 1024 * 1024, offset: null }
    const body = JSON.stringify({ name: file.name, size: file.size })
    return (await call(drop.dataset.upload, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } })).json()
  }

  const offsetOf = async (url) => Number((await call(url, { method: 'HEAD' })).headers.get('Upload-Offset'))

  async function send(job) {
    const { url, chunk, offset } = await announce(job.file)
    job.url = url
    let at = offset ?? await offsetOf(url)
    for (let failed = 0; at < job.file.size && !job.gone;) {
      if (job.paused) { await wait(200); continue }
      job.show(at, 'Sending')
      try {
        const headers = { 'Content-Type': 'application/offset+octet-stream', 'Upload-Offset': String(at) }
        const response = await call(url, { method: 'PATCH', body: job.file.slice(at, at + chunk), headers })
        at = response.ok ? Number(response.headers.get('Upload-Offset')) : await offsetOf(url)
        failed = 0
      } catch (error) {
        if (error instanceof Refusal || failed >= TRIES.length) throw error
        job.show(at, 'Connection lost; trying again')
        await wait(TRIES[failed++])
        at = await offsetOf(url).catch((gone) => { if (gone instanceof Refusal) throw gone; return at })
      }
    }
  }

  async function work() {
    if (busy) return
    busy = true
    for (let job = queue.shift(); job; job = queue.shift()) {
      if (job.gone) continue
      try {
        await send(job)
        job.row.remove()
      } catch (error) {
        job.fail(error instanceof Refusal ? error.message : 'Connection lost. Choose the file again: the upload resumes where it stopped.')
      }
      htmx.trigger(document.getElementById('files'), 'changed')
    }
    busy = false
  }

  function add(file) {
    list.append(document.querySelector('[data-upload-row]').content.cloneNode(true))
    const row = list.lastElementChild
    const [name, says, bar] = ['strong', '[data-says]', 'progress'].map((part) => row.querySelector(part))
    name.textContent = file.name
    bar.max = file.size || 1
    bar.setAttribute('aria-label', `Upload of ${file.name}`)
    const job = { file, row, paused: false, gone: false }
    job.show = (at, text) => { bar.value = at; says.textContent = `${text}: ${Math.floor(100 * at / bar.max)} %` }
    job.fail = (text) => {
      row.classList.add('is-wrong')
      says.textContent = text
      row.querySelector('[data-pause]').remove()
      row.querySelector('[data-cancel]').textContent = 'Close'
    }
    row.addEventListener('click', ({ target }) => {
      if (target.matches('[data-pause]')) {
        job.paused = !job.paused
        target.textContent = job.paused ? 'Resume' : 'Pause'
        if (job.paused) says.textContent = 'Paused'
      }
      if (target.matches('[data-cancel]')) {
        job.gone = true
        if (job.url && !row.matches('.is-wrong')) call(job.url, { method: 'DELETE' }).catch(() => {}).then(() => htmx.trigger(document.getElementById('files'), 'changed'))
        row.remove()
      }
    })
    queue.push(job)
  }

  const take = (files) => { [...files].forEach(add); work() }
  input.addEventListener('change', () => { take(input.files); input.value = '' })
  drop.addEventListener('dragover', (event) => { event.preventDefault(); drop.classList.add('is-over') })
  drop.addEventListener('dragleave', () => drop.classList.remove('is-over'))
  drop.addEventListener('drop', (event) => { event.preventDefault(); drop.classList.remove('is-over'); take(event.dataTransfer.files) })
}
