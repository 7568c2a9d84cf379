import '../css/ask.css'
import { ask } from '../js/ask.js'
import { sqlColours } from '../js/sql-colours.js'

const form = document.querySelector('[data-ask]')
if (form) {
  ask(form)
  sqlColours(form)
}
