import '../css/lane.css'
import '../css/review.css'
import '../js/line-comments.js'
