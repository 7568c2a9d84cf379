import { passkeys } from '../js/passkeys.js'

document.querySelectorAll('form[data-passkey]').forEach(passkeys)
