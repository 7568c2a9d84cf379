// A form that submits a passkey's response: `data-passkey="create|get"`. The ceremony's options are in `data-options` or,
// on a page that many open and few use, at the URL `data-options-url`.
const WORDS = {
  NotAllowedError: 'The passkey was not used: you cancelled, or it took too long. Try again.',
  InvalidStateError: 'This device already has one of your passkeys for this portal.',
  NotSupportedError: 'This browser cannot create a passkey that asks for a fingerprint, a face or a PIN.',
  SecurityError: 'This browser does not allow passkeys at this address.'
}
const OTHERWISE = 'The passkey could not be used. Reload the page and try again.'

export function passkeys(form) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    if (form.dataset.asking) return
    form.dataset.asking = 'yes'
    complain(form, '')
    try {
      form.elements.credential.value = JSON.stringify(await ask(form))
      form.submit()
    } catch (error) {
      complain(form, WORDS[error.name] ?? OTHERWISE)
      delete form.dataset.asking
    }
  })
  addEventListener('pageshow', () => delete form.dataset.asking)
}

async function ask(form) {
  if (!window.PublicKeyCredential) throw new DOMException('', 'SecurityError')
  const { publicKey } = await options(form)
  if (form.dataset.passkey === 'create') return plain(await navigator.credentials.create({ publicKey: creation(publicKey) }))
  return plain(await navigator.credentials.get({ publicKey: request(publicKey) }))
}

async function options(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options)
  const answer = await fetch(form.dataset.optionsUrl, { headers: { Accept: 'application/json' } })
  if (!answer.ok) throw new Error(`${answer.status}`)
  return (await answer.json()).request_options
}

function creation(given) {
  return {
    ...given,
    challenge: bytes(given.challenge),
    user: { ...given.user, id: bytes(given.user.id) },
    excludeCredentials: descriptors(given.excludeCredentials),
    // Stored on the device if possible, so that the passkey can sign in without a password.
    authenticatorSelection: { ...given.authenticatorSelection, residentKey: 'preferred', requireResidentKey: false }
  }
}

const request = (given) => ({
  ...given, challenge: bytes(given.challenge), allowCredentials: descriptors(given.allowCredentials)
})

const descriptors = (listed) => (listed ?? []).map((one) => ({ ...one, id: bytes(one.id) }))

/** Return the credential as plain JSON, with bytes as base64url. */
function plain(credential) {
  const response = {}
  for (const name of ['clientDataJSON', 'attestationObject', 'authenticatorData', 'signature', 'userHandle']) {
    if (credential.response[name]) response[name] = text(credential.response[name])
  }
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response,
    clientExtensionResults: credential.getClientExtensionResults()
  }
}

function bytes(base64url) {
  const binary = atob(base64url.replaceAll('-', '+').replaceAll('_', '/'))
  return Uint8Array.from(binary, (letter) => letter.charCodeAt(0))
}

function text(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join('')
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

function complain(form, words) {
  form.querySelector('[data-passkey-text]').textContent = words
  form.querySelector('[data-passkey-error]').hidden = !words
}
