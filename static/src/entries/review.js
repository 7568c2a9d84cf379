import '../css/lane.css'
import '../css/review.css'
import '../js/kept-focus.js'
import '../js/line-comments.js'
