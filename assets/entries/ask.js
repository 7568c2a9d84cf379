import '../css/ask.css'
import { ask } from '../js/ask.js'

const form = document.querySelector('[data-ask]')
if (form) ask(form)
