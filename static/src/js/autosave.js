// Saves the draft while its author types. Nothing is lost: what the portal does not accept stays in the form and in this
// browser.
import { exact } from './dates.js'
import { same, showErrors, token, warn } from './draft-alert.js'
import { toast } from './toasts.js'

const WAIT = 1200
const RETRY = 8000
const FIELDS = ['title', 'code', 'parameters', 'purpose', 'context', 'outputs', 'environment']

export function autosave(form, editor) {
  const state = document.getElementById('save-state')
  const number = form.elements.number
  const slot = `weir:draft:${form.dataset.request}`
  let timer = null
  let running = null
  let blocked = false
  let dirty = false
  let wrong = false // the portal has saved everything but a field that it does not accept

  const typed = () => Object.fromEntries(FIELDS.map((name) => [name, form.elements[name].value]))
  const keep = () => {
    try {
      localStorage.setItem(slot, JSON.stringify({ number: number.value, at: Date.now(), fields: typed() }))
    } catch {
      say('This browser’s storage is full. Save the draft soon.')
    }
  }
  const forget = () => localStorage.removeItem(slot)
  const say = (text) => { state.textContent = text }

  form.addEventListener('input', (event) => {
    if (event.target.form !== form && event.target !== form.elements.code) return
    dirty = true
    keep()
    say(blocked ? 'Not saved to the portal; kept in this browser' : 'Writing…')
    later(WAIT)
  })

  function later(wait) {
    clearTimeout(timer)
    if (!blocked) timer = setTimeout(save, wait)
  }

  /** Save now; true when the portal has everything. */
  async function save() {
    clearTimeout(timer)
    if (running) { await running; return dirty ? save() : !wrong }
    if (!dirty || blocked) return !blocked && !wrong
    running = send()
    const done = await running
    running = null
    return done
  }

  async function send() {
    say('Saving…')
    dirty = false
    let answer
    try {
      answer = await fetch(form.dataset.autosave, {
        method: 'POST',
        redirect: 'manual',
        headers: { Accept: 'application/json', 'Content-Type': 'application/json', 'X-CSRFToken': token() },
        body: JSON.stringify({ number: Number(number.value), ...typed() })
      })
    } catch {
      return failed('The portal cannot be reached. Your text is kept in this browser and will be saved once the portal responds.')
    }
    if (answer.ok) return saved(await answer.json())
    if (answer.status === 409) return conflict()
    if (answer.type === 'opaqueredirect' || answer.status === 401 || answer.status === 403) {
      dirty = true
      return signedOut()
    }
    const reason = (await answer.json().catch(() => ({}))).detail
    return failed(reason || `The portal responded with error ${answer.status}. Saving is retried automatically.`)
  }

  function saved({ number: next, findings, errors, submit_refusal: refusal }) {
    number.value = next
    wrong = showErrors(form, FIELDS, errors)
    if (!dirty && !wrong) forget()
    say(wrong ? 'Saved, except for the field marked below' : `Saved at ${exact(new Date(), false)}`)
    editor.mark(findings)
    const why = document.getElementById('submit-why')
    why.hidden = !refusal
    why.querySelector('span').textContent = refusal
    form.dispatchEvent(new CustomEvent('weir:saved', { bubbles: true }))
    if (dirty) later(WAIT)
    return !wrong
  }

  function failed(text) {
    dirty = true
    keep()
    say('Not saved to the portal; kept in this browser')
    toast(text, 'danger')
    later(RETRY)
    return false
  }

  /** Return the draft that the portal has, or null if it refuses. */
  async function stored() {
    const answer = await fetch(form.dataset.autosave, { headers: { Accept: 'application/json' }, redirect: 'manual' })
    return answer.ok ? answer.json() : null
  }

  async function conflict() {
    const theirs = await stored()
    if (theirs && FIELDS.every((name) => same(name, theirs[name], form.elements[name].value))) {
      number.value = theirs.number // an earlier response was lost: this is what we had sent
      forget()
      say('Saved')
      return true
    }
    dirty = true
    blocked = true
    keep()
    say('Not saved: changed in another tab')
    warn('This draft was changed in another tab', 'Your text here is kept. Load the saved draft, or overwrite it with yours.', [
      ['Load the saved draft', () => { forget(); dirty = false; form.dispatchEvent(new CustomEvent('weir:saved', { bubbles: true })); location.reload() }],
      ['Overwrite it with mine', overwrite]
    ])
    return false
  }

  async function overwrite() {
    const theirs = await stored()
    if (!theirs) {
      dirty = true
      return signedOut()
    }
    number.value = theirs.number
    unblock()
    return save()
  }

  function signedOut() {
    blocked = true
    if (dirty) keep()
    say(dirty ? 'Not saved to the portal; kept in this browser' : 'Saved; you are signed out')
    warn('You are signed out', 'Your text is kept in this browser. Sign in in a new tab, then come back and save.', [
      ['Sign in in a new tab', () => open(document.getElementById('draft-alert').dataset.signin, '_blank', 'noopener')],
      ['I have signed in: save', () => { unblock(); return save() }]
    ])
    return false
  }

  function unblock() {
    blocked = false
    dirty = true
    document.getElementById('draft-alert').classList.add('d-none')
  }

  // Offer to restore text that this browser kept and the portal never received.
  function offerKept() {
    let kept
    try { kept = JSON.parse(localStorage.getItem(slot)) } catch { forget() }
    if (!kept) return
    const now = typed()
    if (FIELDS.every((name) => kept.fields[name] === now[name])) return forget()
    warn('This browser has text that was not saved', `It is from ${exact(new Date(kept.at))}. Restore it, or keep the saved draft.`, [
      ['Restore it', () => { restore(kept.fields); unblock(); return save() }],
      ['Keep the saved draft', () => { forget(); document.getElementById('draft-alert').classList.add('d-none') }]
    ])
  }

  function restore(fields) {
    for (const name of FIELDS) if (name !== 'code') form.elements[name].value = fields[name]
    editor.write(fields.code)
  }

  document.addEventListener('weir:signed-out', (event) => {
    event.preventDefault()
    if (!blocked) signedOut()
  })
  offerKept()
  return { save }
}
