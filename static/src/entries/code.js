import '../css/lane.css'
import '../css/ask.css'
import { codeAsk } from '../js/code-ask.js'

const form = document.querySelector('form[data-code]')
if (form) codeAsk(form)
