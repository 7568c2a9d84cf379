import '../css/datasets.css'
import '../js/declare.js'
import { uploads } from '../js/uploads.js'

const drop = document.querySelector('[data-upload]')
if (drop) uploads(drop)
