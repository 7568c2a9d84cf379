// "Run on mock data" without leaving the page: save, start the mock run, and show it in the panel below.
import { toWrongField } from './draft-alert.js'
import htmx from './htmx.js'

export function mockRun(form, editor, drafts) {
  const key = form.elements.key

  async function start() {
    const button = document.getElementById('run-on-mock')
    if (button.disabled) return
    button.disabled = true
    try {
      if (!await drafts.save()) return toWrongField(form)
      await htmx.ajax('POST', form.dataset.mockRun, { target: '#mock-panel', swap: 'outerHTML', values: { key: key.value } })
      key.value = crypto.randomUUID()
      document.getElementById('mock-panel').scrollIntoView({ block: 'nearest' })
    } finally {
      button.disabled = false
    }
  }

  form.addEventListener('submit', async (event) => {
    const then = event.submitter?.value
    event.preventDefault()
    if (then === 'run_on_mock') return start()
    if (!await drafts.save()) return toWrongField(form)
    if (then === 'submit') location.assign(form.dataset.submit)
  })
  form.addEventListener('weir:mock-run', start)
  document.addEventListener('click', (event) => {
    const link = event.target.closest('#findings [data-line]')
    if (!link) return
    event.preventDefault()
    editor.goTo(Number(link.dataset.line))
  })
}
